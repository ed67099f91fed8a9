"""The only room that sends to a target: the scope guard, and three ways that never meet."""
