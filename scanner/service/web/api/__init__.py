"""What programs read: the resources under /api/v1."""
