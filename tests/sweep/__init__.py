"""What scanner/sweep promises: whole runs, on loopback."""
