"""``python -m tests.fuzz``: 10,000 malformed requests against one server."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import grpc
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import runward
from tests.acceptance.server_process import ServerProcess
from tests.fuzz.answers import Answers
from tests.fuzz.garbage import send_garbage
from tests.fuzz.messages import fuzz_requests
from tests.fuzz.picture_runs import PLUGINS, run_picture
from tests.fuzz.pictures import bombs, damaged
from tests.programs.processes import descendants, resident_bytes

BATCH = 50
FAULTS = (b"a fault of the service", b"the server stops", b"could not be brought to its end")


def main() -> int:
    """Run everything and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=9_000, help="calls made up by hypothesis")
    parser.add_argument("--garbage", type=int, default=700, help="connections with bytes that are no gRPC")
    parser.add_argument("--pictures", type=int, default=300, help="damaged pictures, beside the bombs")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a run")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="runward-fuzz-") as folder:
        server = ServerProcess(Path(folder), plugins=("Noop",), discover=True)
        runner.run(server.start())
        try:
            send_messages(runner, server, arguments.messages, arguments.seed)
            runner.run(send_all_garbage(server, arguments.garbage, arguments.seed))
            runner.run(send_pictures(server, arguments.pictures, arguments.seed))
        finally:
            status = runner.run(server.stop())
    faults = [word.decode() for word in FAULTS if word in server.log]
    print(f"the server stopped with {status}; faults in its log: {', '.join(faults) or 'none'}")
    return 1 if status or faults else 0


def send_messages(runner: asyncio.Runner, server: ServerProcess, count: int, number: int) -> None:
    """Call methods with what hypothesis makes up; a wrong answer, which tells its request, is raised."""

    async def connected() -> Answers:
        return Answers(grpc.aio.insecure_channel(server.address))

    answers = runner.run(connected())

    @seed(number)
    @settings(
        max_examples=max(count // BATCH, 1),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(fuzz_requests(), min_size=BATCH, max_size=BATCH))
    def batch(requests: list[object]) -> None:
        runner.run(answers.check_all(requests))  # type: ignore[arg-type]
        if sys.stderr.isatty():
            print(f"\r{answers.counts.total()} calls", end="", file=sys.stderr, flush=True)

    start = time.monotonic()
    batch()
    report("messages", answers.counts, time.monotonic() - start)
    runner.run(still_serves(server))


async def send_all_garbage(server: ServerProcess, count: int, number: int) -> None:
    """Send what is no gRPC, many connections at once."""
    start = time.monotonic()
    for first in range(0, count, BATCH):
        await asyncio.gather(
            *(send_garbage(server.address, number + n) for n in range(first, min(first + BATCH, count)))
        )
    report("garbage", Counter(sent=count), time.monotonic() - start)
    await still_serves(server)


async def send_pictures(server: ServerProcess, count: int, number: int) -> None:
    """Run damaged pictures and bombs with every built-in plugin."""
    start = time.monotonic()
    came: Counter[str] = Counter()
    async with runward.connect(server.address) as client:
        for n in range(count):
            mime_type, data = damaged(number + n)
            came[await run_picture(client, PLUGINS[n % len(PLUGINS)], mime_type, data)] += 1
        for name, mime_type, data in bombs():
            for plugin in PLUGINS:
                reason = await run_picture(client, plugin, mime_type, data)
                came[reason] += 1
                print(f"  {name}, {len(data):,} bytes, {plugin}: {reason}")
        largest = max(map(resident_bytes, descendants(server.pid)))
    report("pictures", came, time.monotonic() - start)
    print(f"  the largest worker has {largest / 2**20:,.0f} MiB")
    await still_serves(server)


def report(name: str, counts: Counter[str], seconds: float) -> None:
    """Say what came of one kind."""
    told = ", ".join(f"{word} {count}" for word, count in counts.most_common())
    print(f"{name}: {counts.total()} in {seconds:.1f} s: {told}")


async def still_serves(server: ServerProcess) -> None:
    """Raise where the server does not serve as before."""
    async with runward.connect(server.address) as client:
        assert await client.health() == "SERVING"
        for plugin in ("noop", *PLUGINS):
            await client.enable(plugin)
        job = await client.analyze("noop", b"x", mime_type="application/octet-stream")
        assert job.status == "SUCCESS"


if __name__ == "__main__":
    sys.exit(main())
