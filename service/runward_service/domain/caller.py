"""Who calls, as far as turns between callers go."""

Caller = tuple[str, str]
"""Tenant and principal."""
