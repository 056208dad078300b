"""The options of ``runward serve`` that bound what callers may have under way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from runward_service.domain.limits import (
    GIBIBYTE,
    MAX_BLOB_BYTES,
    MAX_CHUNK_BYTES,
    MAX_MESSAGE_BYTES,
    MEBIBYTE,
    PENDING_JOBS,
    WAITING_CALLS,
    CacheLimits,
    CallBounds,
    QueueLimits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    SizeBase = click.ParamType[int]
else:
    SizeBase = click.ParamType  # generic since click 8.2 alone

CALLS = CallBounds()
CACHE = CacheLimits()
UNITS = {"": 1, "KiB": 1024, "MiB": MEBIBYTE, "GiB": GIBIBYTE}
SIZE = re.compile(r"(\d+) ?(|KiB|MiB|GiB)\Z")


class SizeType(SizeBase):
    """A number of bytes, such as 512MiB."""

    name = "size"

    def __init__(self, least: int, holds: str) -> None:
        """Refuse less than what it has to hold."""
        self._least = least
        self._holds = holds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        match = SIZE.match(str(value))
        if match is None:
            self.fail(f"{value!r} is no size, such as 512MiB or 16GiB", param, ctx)
        size = int(match[1]) * UNITS[match[2]]
        if size < self._least:
            self.fail(f"it must hold {self._holds}, {shown(self._least)}", param, ctx)
        return size


def shown(size: int) -> str:
    """A number of bytes as it is written."""
    unit, factor = next((unit, factor) for unit, factor in reversed(UNITS.items()) if size % factor == 0)
    return f"{size // factor}{unit}"


def count_option(name: str, default: int, help_text: str, smallest: int = 1) -> Callable[[Any], Any]:
    """An option that is a number of things."""
    return click.option(
        f"--{name}",
        envvar=variable(name),
        type=click.IntRange(smallest),
        default=default,
        show_default=True,
        help=help_text,
    )


LARGEST_REQUEST = SizeType(MAX_MESSAGE_BYTES, "the largest request")
CHUNK = SizeType(MAX_CHUNK_BYTES, "a chunk of an upload")
ANY_SIZE = SizeType(0, "nothing")


def size_option(name: str, default: int, help_text: str, kind: SizeType = LARGEST_REQUEST) -> Callable[[Any], Any]:
    """An option that is a number of bytes."""
    return click.option(
        f"--{name}",
        envvar=variable(name),
        type=kind,
        default=shown(default),
        show_default=True,
        metavar="SIZE",
        help=help_text,
    )


def variable(name: str) -> str:
    """The variable of an option."""
    return f"RUNWARD_{name.replace('-', '_').upper()}"


def queue_options(entries: str, size: str, limits: QueueLimits, what: str) -> list[Callable[[Any], Any]]:
    """The four bounds of a queue."""
    return [
        count_option(f"max-{entries}", limits.count, f"How many {what} may wait for a worker."),
        count_option(f"max-{entries}-per-plugin", limits.count_per_plugin, "The same, for one plugin."),
        size_option(f"max-{size}", limits.image_bytes, f"How large the images of those {what} may be together."),
        size_option(f"max-{size}-per-plugin", limits.image_bytes_per_plugin, "The same, for one plugin."),
    ]


OPTIONS = [
    *queue_options("waiting-calls", "waiting-bytes", WAITING_CALLS, "Analyze calls"),
    *queue_options("pending-jobs", "pending-bytes", PENDING_JOBS, "stored jobs"),
    count_option(
        "max-calls", CALLS.calls, "How many calls may be under way at once, those that wait for a worker too."
    ),
    count_option("max-watches", CALLS.watches, "How many watches may be open at once."),
    count_option("max-watches-per-caller", CALLS.watches_per_caller, "The same, of one caller."),
    size_option(
        "max-request-bytes",
        CALLS.request_bytes,
        "How much memory requests may take that are being received or are not stored yet.",
    ),
    count_option("max-transfers", CALLS.transfers, "How many blobs may be uploaded and downloaded at once."),
    count_option("max-transfers-per-caller", CALLS.transfers_per_caller, "The same, of one caller."),
    size_option("max-transfer-bytes", CALLS.transfer_bytes, "How large those blobs may be together."),
    size_option("max-blob-bytes", MAX_BLOB_BYTES, "The largest blob that may be uploaded.", CHUNK),
    count_option("cache-entries", CACHE.entries, "How many outputs are kept for equal jobs; 0: none.", 0),
    size_option("cache-bytes", CACHE.size_bytes, "How large they may be together; 0: none are kept.", ANY_SIZE),
]


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def limits_of(values: Mapping[str, int]) -> dict[str, Any]:
    """The settings that the options' values make."""

    def queue(entries: str, size: str) -> QueueLimits:
        names = (f"max_{entries}", f"max_{entries}_per_plugin", f"max_{size}", f"max_{size}_per_plugin")
        return QueueLimits(*(values[name] for name in names))

    return {
        "waiting_calls": queue("waiting_calls", "waiting_bytes"),
        "pending_jobs": queue("pending_jobs", "pending_bytes"),
        "calls": CallBounds(
            values["max_calls"],
            values["max_watches"],
            values["max_watches_per_caller"],
            values["max_request_bytes"],
            values["max_transfers"],
            values["max_transfers_per_caller"],
            values["max_transfer_bytes"],
        ),
        "max_blob_bytes": values["max_blob_bytes"],
        "cache": CacheLimits(values["cache_entries"], values["cache_bytes"]),
    }
