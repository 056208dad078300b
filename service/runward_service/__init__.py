"""The Runward server and its plugin SDK (runward_service.plugins)."""
