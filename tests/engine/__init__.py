"""What scanner/engine promises."""
