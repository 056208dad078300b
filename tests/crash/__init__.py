"""The crash matrix: a process is killed at every point of every kind of a job's life, started again, and looked at."""
