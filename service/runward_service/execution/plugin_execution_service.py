"""PluginExecutionService: which plugin a request means, whether it may run, and the hand-over to ToolRunner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.blob_errors import blob_not_found
from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.image import HEAD_BYTES
from runward_service.domain.plugin_state import PluginState

if TYPE_CHECKING:
    from runward_service.domain.job import Job, JobRequest
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.plugins.registry import PluginRegistry
    from runward_service.runtime.run_control import RunControl
    from runward_service.runtime.tool_runner import ToolRunner


class PluginExecutionService:
    """Delegates to ToolRunner, exactly once an attempt."""

    def __init__(self, registry: PluginRegistry, tool_runner: ToolRunner) -> None:
        """Look plugins up in the registry, run them with ToolRunner."""
        self._registry = registry
        self._tool_runner = tool_runner

    async def admit(self, request: JobRequest) -> PluginDescription:
        """Check a request before it becomes a job; the description of the plugin that it names.

        Raises GovernedError PLUGIN_NOT_FOUND, PLUGIN_UNAVAILABLE, or what the validation rules refuse.
        """
        entry = self._registry.described(request.plugin) or await self._registry.resolve(request.plugin)
        if entry.state is PluginState.UNAVAILABLE or entry.validator is None or entry.description is None:
            reason = entry.state_reason or "it has not started yet"
            message = f"The plugin {entry.name} is unavailable: {reason}"
            details = {"state_reason": reason}
            raise GovernedError(ErrorReason.PLUGIN_UNAVAILABLE, message, details, plugin=entry.name)
        entry.validator.validate(head_of(request), request.image_bytes, request.mime_type, request.options)
        return entry.description

    def description(self, name: str) -> PluginDescription | None:
        """What a plugin says of itself; None where it cannot be run now."""
        try:
            entry = self._registry.get(name)
        except GovernedError:
            return None
        return None if entry.state is PluginState.UNAVAILABLE or entry.validator is None else entry.description

    def answerable(self, job: Job, control: RunControl) -> bool:
        """Whether a job that is to wait for its turn needs none."""
        return self._tool_runner.answerable(job, control)

    def stored(self, job: Job, control: RunControl) -> None:
        """A job's end is in the store, or could not be stored."""
        self._tool_runner.stored(job, control)

    async def execute(self, job: Job, control: RunControl) -> Outcome:
        """Make one attempt of a RUNNING job."""
        return await self._tool_runner.run(job, control)

    def end_without_run(self, job: Job, error: GovernedError) -> Outcome:
        """What a job comes to that ends without a run."""
        return self._tool_runner.end_without_run(job, error)


def head_of(request: JobRequest) -> object:
    """The first bytes of a request's image, or whatever stands for it. Raises GovernedError BLOB_NOT_FOUND where the
    image was stored and is gone.
    """
    if request.stored is None:
        image: object = request.image
        return bytes(image[:HEAD_BYTES]) if isinstance(image, bytes | memoryview) else image
    try:
        return request.stored.head()
    except OSError as error:
        raise blob_not_found(request.stored.digest, request.plugin) from error
