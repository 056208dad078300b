"""Validation, the result's encoding, and what crosses to a worker."""
