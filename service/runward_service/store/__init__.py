"""The durable state: one SQLite database and a folder of large images."""
