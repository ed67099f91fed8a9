"""What passes events on to their receivers, and lines to standard output, each from where it stood."""
