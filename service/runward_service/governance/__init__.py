"""Attested readiness: the server checks its own code when it starts."""
