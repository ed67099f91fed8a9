"""The page and the API: a process of its own, which reads what sweeps wrote and asks the service for jobs."""
