"""What changed between two runs, or between two dates; and what of them cannot be compared."""
