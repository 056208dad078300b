"""Watching jobs by revision."""
