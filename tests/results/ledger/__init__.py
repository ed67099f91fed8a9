"""Tests of results/: what was seen, and its readers."""
