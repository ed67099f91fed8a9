"""One run, from its directory to its sealed accounts: sweep.py is the story."""
