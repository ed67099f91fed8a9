"""What is remembered from run to run: exposures, from first sight to proof of closure."""
