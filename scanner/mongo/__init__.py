"""Knows MongoDB: bytes in, bytes and verdicts out. Never touches a socket, a clock or a log."""
