"""Tests of the readers of lists and of other programs' output."""
