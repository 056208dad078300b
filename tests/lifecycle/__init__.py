"""Every legal and illegal transition of jobs and of plugins."""
