"""Deliberate errors in the protocol core, each of which some test must catch."""
