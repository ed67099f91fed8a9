"""Tests of the room that decides which addresses may be probed."""
