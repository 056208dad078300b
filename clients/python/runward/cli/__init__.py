"""The command line. It is imported by `runward.cli.main` alone, so that the client stays free of click and rich."""
