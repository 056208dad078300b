"""The mechanical scanner: proves that nothing but ToolRunner runs a plugin. Standard library only."""

__version__ = "0.1.0"
