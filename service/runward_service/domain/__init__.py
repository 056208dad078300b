"""Jobs, plugin states, errors: plain data without input or output."""
