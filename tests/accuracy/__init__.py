"""Whether the sweep is right: verdicts proven, recordings replayed over sockets, hostile servers survived."""
