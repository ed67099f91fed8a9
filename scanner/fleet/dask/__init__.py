"""Dask distributed as the way to the sites: the only room that imports it (the extra `fleet`)."""
