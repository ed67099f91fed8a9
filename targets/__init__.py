"""Which addresses may be probed, and whose they are. Imports nothing of ours."""
