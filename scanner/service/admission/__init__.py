"""Who is let in, and with which role: users, tokens, sessions and passwords."""
