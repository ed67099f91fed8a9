"""What is answered to an outside report: row by row, for programs, for people, and as a letter."""
