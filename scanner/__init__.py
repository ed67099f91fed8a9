"""Probes targets and writes results: the engine, the protocol core and the command line."""

__version__ = "0.1.0"
