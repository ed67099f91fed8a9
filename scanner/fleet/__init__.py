"""Sweeps that no single machine can do: shards of a scope, asked at each site, gathered into one run."""
