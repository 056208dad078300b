"""The plugin SDK: what a plugin author subclasses, receives and raises.

A plugin is found through the entry-point group ``runward.plugins`` or named ``module:Class`` to ``runward serve
--plugin``.
Its module is imported in worker processes alone, never in the service. Keep that import cheap and load libraries and
models in :meth:`Plugin.setup`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from runward_service.plugins.guard import PluginType
from runward_service.plugins.imaging import open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PIL.Image import Image

MEBIBYTE = 1024 * 1024


class PluginError(Exception):
    """A failure that the caller shall read: the job ends FAILED with a PluginError envelope that holds both arguments.

    Any other exception ends the job with a generic message; its text and traceback stay on the server.
    """

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        """Hold the message (a sentence for a person) and the details (JSON-able, for a program)."""
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class InvalidInput(PluginError):  # noqa: N818 - what plugin authors say
    """The image or an option is unusable, which only the plugin could find: a ValidationError envelope."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What a plugin runs on.

    ``image`` is the image file's bytes, never empty; ``mime_type`` what the caller declared and the service checked
    against the first bytes, in lower case; ``options`` fits the plugin's ``options_schema``, whole numbers as ``int``.
    """

    image: bytes
    mime_type: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def open_image(self) -> Image:
        """Decode the image with Pillow, turned upright by its EXIF orientation, whole in memory.

        Raises InvalidInput when the bytes are damaged, cut off, or hold more than 100 megapixels.
        """
        return open_image(self.image, self.mime_type)


def let_go(name: str, data: bytes, mime_type: str) -> None:
    """Where no service stores artifacts, as in a test of a plugin."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """The run that a plugin is in: the job's id (UUIDv7) and the attempt, from 1."""

    job_id: str
    attempt: int
    _report: Callable[[float, str], None]
    _give: Callable[[str, bytes, str], None] = let_go

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell watchers how far the run is: a fraction from 0 to 1 and what it is doing.

        Cheap to call often: at most four reports a second reach the job. Raises ValueError outside 0 to 1.
        """
        if not 0.0 <= fraction <= 1.0:
            message = f"progress takes a fraction from 0 to 1, not {fraction!r}"
            raise ValueError(message)
        self._report(float(fraction), message)

    def artifact(self, name: str, data: bytes | bytearray | memoryview, mime_type: str) -> None:
        """Give a file back beside the result, such as a crop, a mask or an annotated picture: it is stored with the job
        when the run ends SUCCESS, and listed in ``job.artifacts``.

        ``name`` is a file's name: letters, digits, ``.``, ``_`` and ``-``, at most 100, none given before but for its
        case; ``mime_type`` such as ``image/png``. A run gives at most 32, with 32 MiB together. The bytes are sent at
        once and not kept here. Raises ValueError, which fails the run, where one of this does not hold.
        """
        self._give(name, bytes(data), mime_type)


class Plugin(ABC, metaclass=PluginType):
    """One analysis. Subclass it, set the class attributes, and return a JSON-able dict from :meth:`run`.

    Instances live in a worker process of their own, one run at a time; ``concurrency`` such workers at most. ToolRunner
    alone can call :meth:`run`; for any other caller it raises GovernanceViolation.
    """

    name: ClassVar[str]
    """Unique name: lower-case letters, digits and ``_``, starting with a letter, at most 63 characters. Required."""
    version: ClassVar[str] = "0.0.0"
    """Version of the analysis, kept with every job."""
    description: ClassVar[str] = ""
    """One sentence on what it does."""
    mime_types: ClassVar[tuple[str, ...]] = ("image/png", "image/jpeg")
    """The image types that it takes; ``image/*`` and ``*/*`` stand for all such."""
    options_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "additionalProperties": False}
    """JSON Schema (draft 2020-12) of the options."""
    timeout: ClassVar[float] = 30.0
    """Longest time of one attempt, in seconds; also the default."""
    memory_bytes: ClassVar[int] = 1024 * MEBIBYTE
    """Most resident memory of one worker with its descendants, in bytes."""
    setup_timeout: ClassVar[float] = 60.0
    """Longest time of :meth:`setup`, in seconds; a worker that takes longer is ended."""
    concurrency: ClassVar[int] = 1
    """How many runs at once."""
    max_attempts: ClassVar[int] = 2
    """How many attempts in all, where one is lost with its worker or the server, or raises what ``retry_on`` names."""
    retry_on: ClassVar[tuple[type[Exception], ...]] = ()
    """The exceptions of :meth:`run` after which another attempt is made, with a growing pause between, as long as
    ``max_attempts`` allows: ``(ConnectionError,)``. InvalidInput and MemoryError never are, whatever this names."""
    deterministic: ClassVar[bool] = True
    """Whether the same image and options give the same output, on one machine with one release of the libraries. Such a
    plugin's random generators are seeded anew before each run, and its jobs can be verified; False: neither."""
    cacheable: ClassVar[bool] = False
    """Whether the output of an earlier run may stand for that of another with the same image and options. Only of a
    plugin that is deterministic."""
    canary: ClassVar[Payload | None] = None
    """What the plugin is run on, by the way of every run, to see that it is well again after its workers died or hung;
    None: a small picture of its first type, without options. At most 1 MiB."""
    requires: ClassVar[Mapping[str, str]] = {}
    """Modules that setup imports, each with the distribution that holds it: ``{"zxingcpp": "zxing-cpp"}``. Where one is
    absent, the plugin is UNAVAILABLE and says what to install."""
    model_files: ClassVar[tuple[str, ...]] = ()
    """The files that setup loads and that its distribution does not bring, such as weights: absolute, or relative to
    the plugin's module. Their digests are part of the code digest; where one is absent, the plugin is UNAVAILABLE."""
    install_hint: ClassVar[str] = ""
    """The command that installs all of ``requires``; empty: ``pip install`` of the absent distributions."""

    def setup(self) -> None:
        """Load what runs need (libraries, models, lasting threads): once a worker, before its first run.

        An exception makes the plugin UNAVAILABLE. A run that leaves threads or processes behind costs its worker.
        """

    @abstractmethod
    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Analyse one image.

        Return a dict with string keys that fits JSON: at most 25 deep, at most 3 MiB, no NaN or infinity. Raise
        InvalidInput when the image or an option is unusable, PluginError for a failure that the caller should read.
        A plain method, neither a coroutine nor a generator. ``super().run(payload, context)`` within it is fine.
        """
