"""One target after the other: asked at the right pace, judged, written down. Knows no run directory."""
