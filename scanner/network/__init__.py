"""The only room that sends: the scope asked at the last door, and three ways to reach a target."""
