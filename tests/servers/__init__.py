"""Where the real servers of the tests come from."""
