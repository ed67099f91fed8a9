"""Tests of results/events/: what an event is, and that each is told once."""
