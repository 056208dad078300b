"""What the programs among the tests share: the demo and the benchmark both run a real server."""
