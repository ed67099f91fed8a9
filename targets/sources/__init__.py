"""Where targets come from when they are not written by hand."""
