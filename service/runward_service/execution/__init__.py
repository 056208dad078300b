"""From an accepted request to a finished job: the three services and the scheduler."""
