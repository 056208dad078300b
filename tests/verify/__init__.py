"""``make verify``: the built-in plugins on real and generated pictures, each job verified."""
