"""Tests of the fleet over Dask."""
