"""What the page and the API show, computed from the output directory and kept until it changes."""
