"""The official driver, in processes of its own: a second opinion on what is open."""
