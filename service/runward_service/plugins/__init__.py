"""The plugin SDK. Imports neither grpc nor sqlite, so that a worker starts quickly."""

from runward_service.plugins.base import InvalidInput, Payload, Plugin, PluginError, RunContext

__all__ = ["InvalidInput", "Payload", "Plugin", "PluginError", "RunContext"]
