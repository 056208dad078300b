"""Tests, samples, the demo and the benchmark."""
