"""A service in a process of its own, for tests that kill it: begins jobs as standard input says, a JSON object a line.

Prints the ids of its jobs by the names that they were begun under, once all of that line is on disk.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from runward_service.bootstrap import build
from runward_service.config import Config
from runward_service.domain.job import ANONYMOUS, JobMode, JobRequest

IMAGE = b"\x89PNG\r\n\x1a\n and no more"


async def main(folder: str, *plugins: str) -> None:
    """Serve until the end of the process."""
    targets = tuple(f"sample_plugins:{plugin}" for plugin in plugins)
    service = build(Config(data_dir=Path(folder), workers=8, plugins=targets, discover=False))
    await service.start()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    calls = []
    while line := await reader.readline():
        for name, (mode, plugin, options) in json.loads(line).items():
            fields = {"principal": ANONYMOUS, "request_id": name}
            request = JobRequest(plugin, IMAGE, "image/png", options, JobMode[mode], **fields)
            call = service.analysis.analyze if mode == "SYNC" else service.analysis.submit
            calls.append(asyncio.ensure_future(call(request)))
        await asyncio.gather(*(call for call in calls if call.get_coro().__name__ == "submit"))
        await asyncio.sleep(0)
        await service.writer.submit(lambda transaction: transaction.execute("SELECT 1"))
        print("stored", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
