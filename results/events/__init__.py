"""Events: what is sent on to a SIEM, as types and as one file that outlives runs."""
