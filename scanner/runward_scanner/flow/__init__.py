"""Every way through a function's body."""
