"""Readers of a journal that pass it on to somewhere else, each from where it stood."""
