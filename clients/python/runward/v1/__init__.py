"""The generated messages and stubs of the API; made by `make gen` from proto/runward/v1."""
