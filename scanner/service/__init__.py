"""Sweeps that nobody starts by hand, and faces for people and machines: schedule, page, API, metrics."""
