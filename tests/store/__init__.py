"""The durable state on real files."""
