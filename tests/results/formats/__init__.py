"""Tests of `results/formats`: each document against the format's published schema, and hostile names."""
