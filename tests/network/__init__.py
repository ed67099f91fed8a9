"""What scanner/network promises."""
