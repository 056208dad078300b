"""Mutants of the real service, each with a bypass of governance, and what the scanner and the guard make of them."""
