"""A whole story, played by real sweeps over months of its own."""
