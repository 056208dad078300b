"""h2load, of nghttp2: a client in C that takes a tenth of the processor time per call that one in Python takes.

It sends one ready-made request over and over, the same bytes each time, and sees the status of HTTP alone, which is 200
whatever gRPC's is. So it makes a fixed number of calls, and who uses it compares that with what the server counted.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

from tests.bench.child_program import LoadError
from tests.bench.made_calls import MadeCalls

if TYPE_CHECKING:
    from tests.bench.child_program import Call

PROGRAM = "h2load"
FIRST_CALLS = 1000
"""Of a method whose rate is not known yet."""
MOST_SECONDS = 120
HEADERS = ("content-type: application/grpc", "te: trailers")
FINISHED = re.compile(r"^finished in ([\d.]+)(us|ms|s),", re.MULTILINE)
DONE = re.compile(r"^requests: .* (\d+) succeeded", re.MULTILINE)
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def installed() -> bool:
    """Tell whether there is an h2load."""
    return shutil.which(PROGRAM) is not None


class H2Load:
    """Runs of h2load, each with new connections."""

    name = "h2load"

    def __init__(self, connections: int = 1) -> None:
        """Share the calls out among so many connections."""
        self._connections = connections
        self._rates: dict[Call, float] = {}

    def make(self, call: Call, in_flight: int, seconds: float) -> MadeCalls:
        """Make as many calls as took so many seconds the last time. Raises LoadError where one was not answered."""
        rate = self._rates.get(call)
        made = self._run(call, in_flight, FIRST_CALLS if rate is None else max(int(rate * seconds), in_flight))
        self._rates[call] = made.count / made.seconds
        return made

    def _run(self, call: Call, in_flight: int, count: int) -> MadeCalls:
        with tempfile.NamedTemporaryFile() as body:
            body.write(frame(call.request))
            body.flush()
            command = [PROGRAM, "-n", str(count), "-c", str(self._connections)]
            command += ["-m", str(in_flight // self._connections), "-d", body.name]
            command += [word for header in HEADERS for word in ("-H", header)]
            before = _children_seconds()
            done = subprocess.run(
                [*command, f"http://{call.target}{call.method}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=MOST_SECONDS,
            )
        finished, succeeded = FINISHED.search(done.stdout), DONE.search(done.stdout)
        if finished is None or succeeded is None or int(succeeded[1]) != count:
            raise LoadError(f"h2load did not make {count} calls: {(done.stdout + done.stderr).strip()[-300:]}")
        return MadeCalls(count, float(finished[1]) * SECONDS[finished[2]], _children_seconds() - before)


def frame(request: bytes) -> bytes:
    """Give a request as gRPC sends it, not compressed."""
    return b"\0" + len(request).to_bytes(4) + request


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
