"""ToolRunner and the worker processes: where plugins run."""
