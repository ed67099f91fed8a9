"""Formats: pure functions from an event to a document in a receiver's own language."""
