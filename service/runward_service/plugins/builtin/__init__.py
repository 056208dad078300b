"""The plugins that come with Runward."""
