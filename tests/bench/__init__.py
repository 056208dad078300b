"""The benchmark: speed against a bare echo, in one run. Run it with `make bench`."""
