"""What scanner/setup promises."""
