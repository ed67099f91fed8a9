"""Sweeps that no single machine can do."""
