"""The contract of each layer, on the built service with real workers."""
