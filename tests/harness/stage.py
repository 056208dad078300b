"""The test's side of the Puppet plugin: who runs, what it is to do, and proof that it is gone."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Visit:
    """One run of a Puppet, which waits for orders."""

    job_id: str
    attempt: int
    pid: int
    options: dict[str, Any]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def give(self, **value: Any) -> None:
        """End the run with a dict."""
        self._order(do="return", value=value)

    def progress(self, fraction: float, message: str) -> None:
        """Report progress and go on."""
        self._order(do="progress", fraction=fraction, message=message)

    def fail(self, text: str = "the strings are tangled") -> None:
        """End the run with an exception of no special kind."""
        self._order(do="raise", text=text)

    def refuse(self, text: str, **details: Any) -> None:
        """End the run with a PluginError."""
        self._order(do="refuse", text=text, details=details)

    def die(self) -> None:
        """End the run with its process."""
        self._order(do="die")

    async def gone(self) -> None:
        """Wait until the run has let go of the socket: it has ended, or its process was killed."""
        try:
            while await self.reader.read(1024):
                continue
        except ConnectionResetError:
            return

    def _order(self, **order: Any) -> None:
        self.writer.write(json.dumps(order).encode() + b"\n")


class Stage:
    """A Unix socket to which Puppets connect when they run."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="stage-"))  # a socket's path is at most 107 bytes
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()
        self._all: list[Visit] = []
        self._server: asyncio.Server

    @property
    def options(self) -> dict[str, Any]:
        """The options that send a Puppet here."""
        return {"socket": str(self._folder / "s")}

    @property
    def visits(self) -> int:
        """How many runs there have been."""
        return len(self._all)

    async def enter(self) -> Visit:
        """Wait for the next run."""
        return await self._visits.get()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._welcome, self.options["socket"])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for visit in self._all:
            visit.writer.close()
        await asyncio.gather(*(visit.writer.wait_closed() for visit in self._all), return_exceptions=True)
        await self._server.wait_closed()
        shutil.rmtree(self._folder)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = json.loads(await reader.readline())
        visit = Visit(**hello, reader=reader, writer=writer)
        self._all.append(visit)
        self._visits.put_nowait(visit)
