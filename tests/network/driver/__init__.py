"""What scanner/network/driver promises."""
