"""That no figure is bought: the same run is durable, isolated and validated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import runward
from runward.v1 import jobs_pb2
from runward_service.store.database import Database
from tests.bench import calls
from tests.programs.processes import children, descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.setting import Setting

FULL = 2
"""What SQLite answers for synchronous = FULL."""


class DishonestError(Exception):
    """The server that was measured left out what it has to do; the message tells what."""


def check(setting: Setting) -> Sequence[str]:
    """Check durability, isolation and validation on the server that is measured; what was found, in words.

    Raises:
        DishonestError: one of them is missing.
    """
    return [durability(setting), isolation(setting), validation(setting)]


def durability(setting: Setting) -> str:
    """Check the database as the service's own code opens it, and that an answered call is in it."""
    job = jobs_pb2.AnalyzeResponse.FromString(setting.load.one(calls.analyze(setting.server.address))).job
    connection = Database(setting.server.data).connect()
    try:
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        stored = connection.execute("SELECT status FROM job WHERE id = ?", (job.id,)).fetchone()
    finally:
        connection.close()
    if (synchronous, journal) != (FULL, "wal"):
        raise DishonestError(f"the database is opened with synchronous = {synchronous}, journal_mode = {journal}")
    if stored != (jobs_pb2.JOB_STATUS_SUCCESS,):
        raise DishonestError(f"the answered job {job.id} is stored as {stored}")
    return "commits are durable (WAL, synchronous = FULL), answered jobs are stored"


def isolation(setting: Setting) -> str:
    """Check that a plugin runs in another process, below the server: below a worker's keeper, or several servers."""
    answer = setting.load.one(calls.analyze(setting.server.address, "echo"))
    pid = int(jobs_pb2.AnalyzeResponse.FromString(answer).job.result.fields["pid"].number_value)
    server = setting.server.pid
    if pid in {server, *children(server)} or pid not in descendants(server):
        raise DishonestError(f"the plugin ran in process {pid}, which is no worker of server {server}")
    return "plugins run in worker processes"


def validation(setting: Setting) -> str:
    """Check that input and output are validated."""
    with runward.connect_sync(setting.server.address) as rw:
        attempts: dict[str, Callable[[], object]] = {
            "MIME_TYPE_MISMATCH": lambda: rw.analyze("noop", b"no picture", mime_type="image/png"),
            "OUTPUT_INVALID": lambda: rw.analyze("returns", calls.image(), options={"output": "nan"}),
        }
        for reason, attempt in attempts.items():
            try:
                attempt()
            except runward.ValidationError as error:
                found = error.reason
            else:
                found = "nothing"
            if found != reason:
                raise DishonestError(f"{found} came where {reason} was due")
    return "input and output are validated"
