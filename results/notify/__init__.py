"""Who is told of an exposure, in which words, and over which way."""
