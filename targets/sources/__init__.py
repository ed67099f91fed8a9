"""Where targets come from: readers of lists and of other scanners' output. They narrow, never widen."""
