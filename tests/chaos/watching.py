"""Watchers that are disconnected all the time, and a server that is killed: what each saw is the log, or it was told
what is gone.

    python -m tests.chaos.watching --watchers 1000 --jobs 200 --kills 3 [--servers 2 | --processes 2] [--retain-jobs 50]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import runward
from tests.acceptance.server_process import ServerProcess
from tests.chaos.watcher import TERMINAL, Event, Gap, Watcher
from tests.programs.processes import children

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = ("a", "b", "c", "d", "e")
WATCHERS_A_CLIENT = 50
CLIENTS_OF_A_GROUP = 8
"""The kernel shares out connections by chance: with so many, hardly ever all to one process."""
IMAGE = {"mime_type": "application/octet-stream"}
LONG_JOBS = 20
"""One job of so many takes a second and a half and reports progress."""
PAUSE_SECONDS = 0.02
STREAMS_A_SECOND = 100
"""How many are opened anew, about, so that a machine with few processors keeps up."""
LOG_SECONDS = 0.02
EVENTS = """
SELECT e.revision, j.id, e.status, e.attempt, json_extract(j.labels, '$.group')
FROM job_event e JOIN job j ON j.seq = e.job_seq WHERE e.revision > ? ORDER BY e.revision
"""
STATUSES = ("", "PENDING", "RUNNING", "SUCCESS", "FAILED")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. With ``retain_jobs``, no more finished jobs are kept: the log is compacted under way.
    With several ``servers`` on one folder, one after the other is killed while the others go on. With several
    ``processes`` of one server, any of them is, and its parent starts it again.
    """

    watchers: int
    jobs: int
    kills: int
    seed: str
    retain_jobs: int = 0
    servers: int = 1
    processes: int = 1


@dataclass(slots=True)
class Run:
    """One run of a plan, and what it came to."""

    plan: Plan
    folder: Path
    say: Callable[[str], None] = lambda text: None
    log: dict[int, Event] = field(default_factory=dict)
    watchers: list[Watcher] = field(default_factory=list)
    last: int | None = None
    seconds: float = 0.0
    _servers: list[ServerProcess] = field(default_factory=list)
    _lost: list[str] = field(default_factory=list)
    _following: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What was not as it should be."""
        log = [self.log[revision] for revision in sorted(self.log)]
        found = [problem for watcher in self.watchers for problem in watcher.problems(log)]
        ended = {event.job_id for event in log if event.status in TERMINAL}
        if len(ended) != self.plan.jobs:
            found.append(f"{len(ended)} of {self.plan.jobs} jobs ended")
        if not self.plan.retain_jobs and self.counts()["compactions told"]:
            found.append("a watcher was told that something is gone, though nothing is removed")
        return (
            found
            + self._lost
            + [f"{watcher.describe()} ended {watcher.ends} times" for watcher in self.watchers if watcher.ends > 1]
        )

    def counts(self) -> dict[str, float]:
        """What there was."""
        seen = [one for watcher in self.watchers for one in watcher.seen]
        return {
            "watchers": len(self.watchers),
            "jobs": self.plan.jobs,
            "servers": self.plan.servers,
            "processes": self.plan.processes,
            "kills": self.plan.kills,
            "changes in the log": len(self.log),
            "changes seen": sum(isinstance(one, Event) for one in seen),
            "compactions told": sum(isinstance(one, Gap) for one in seen),
            "streams": sum(watcher.streams for watcher in self.watchers),
            "seconds": round(self.seconds, 1),
        }

    async def run(self) -> None:
        """Carry it out. Whatever goes wrong is in ``problems`` then; raises where the server does not start."""
        start = time.monotonic()
        turns = random.Random(self.plan.seed)
        addresses = [free_address() for _ in range(self.plan.servers)]
        for address in addresses:
            self._servers.append(await self._start(address))
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(runward.connect(target, retry=runward.RetryPolicy(resume=120.0)))
                for target in addresses * self._clients_a_server()
            ]
            reading = asyncio.create_task(self._read_log())
            self._add_watchers(clients, turns, self.plan.watchers * 3 // 4, [])
            try:
                await self._submit_and_kill(addresses, clients, turns)
                self.last = (await clients[0].snapshot()).revision
                self.say(f"all jobs have ended, the log at {self.last}")
                await asyncio.gather(*self._following)
                await until(lambda: max(self.log, default=0) >= (self.last or 0))
            finally:
                for task in (reading, *self._following):
                    task.cancel()
                await asyncio.gather(reading, *self._following, return_exceptions=True)
                for server in self._servers:
                    await (server.kill() if self.plan.processes == 1 else server.stop())
        self.seconds = time.monotonic() - start

    def _clients_a_server(self) -> int:
        count = max(self.plan.watchers // WATCHERS_A_CLIENT // self.plan.servers, 2)
        return count if self.plan.processes == 1 else max(count, CLIENTS_OF_A_GROUP)

    async def _start(self, address: str) -> ServerProcess:
        arguments = ["--listen", address, "--processes", str(self.plan.processes)]
        if self.plan.retain_jobs:
            arguments += ["--retain-jobs", str(self.plan.retain_jobs)]
        return await ServerProcess(self.folder / "data", *arguments, plugins=("Noop", "Progressing")).start()

    def _add_watchers(self, clients: list[Any], turns: random.Random, count: int, job_ids: list[str]) -> None:
        longest = max(self.plan.watchers / STREAMS_A_SECOND * 2, 4.0)
        for number in range(count):
            watcher = Watcher(job_id=turns.choice(job_ids)) if job_ids else any_watcher(turns, number)
            self.watchers.append(watcher)
            self._following.append(asyncio.create_task(watcher.follow(clients, turns, longest, lambda: self.last)))

    async def _submit_and_kill(self, addresses: list[str], clients: list[Any], turns: random.Random) -> None:
        """Submit the jobs and wait for their ends, killing and restarting a server now and then."""
        phases = self.plan.kills + 1
        job_ids: list[str] = []
        for phase in range(phases):
            upto = self.plan.jobs * (phase + 1) // phases
            new = upto - len(job_ids)
            submitting = asyncio.create_task(self._submit(clients, job_ids, upto))
            if phase < self.plan.kills:
                await until(lambda: len(job_ids) >= upto - new // 2)  # noqa: B023 - awaited here
                await asyncio.sleep(turns.uniform(0, 0.5))
                self.say(f"killing a server with {len(job_ids)} jobs submitted")
                await self._kill(phase % len(addresses), addresses, turns)
            await submitting
            single = (self.plan.watchers - self.plan.watchers * 3 // 4) // phases
            self._add_watchers(clients, turns, single, job_ids[-new:])
        self._add_watchers(clients, turns, self.plan.watchers - len(self.watchers), job_ids[-new:])
        for job_id in job_ids:
            try:
                await clients[0].result(job_id)
            except runward.ValidationError:
                continue  # expired already
            except runward.ExecutionError as error:
                if error.reason != "INTERRUPTED":  # two of the kills hit it
                    raise

    async def _kill(self, number: int, addresses: list[str], turns: random.Random) -> None:
        """Kill a server and start it again, or one process of it, which is started again by its parent."""
        server = self._servers[number]
        if self.plan.processes == 1:
            await server.kill()
            self._servers[number] = await self._start(addresses[number])
            return
        before = set(children(server.pid))
        victim = turns.choice(sorted(before))
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(set(children(server.pid)) - {victim}) == self.plan.processes)
        if gone := before - {victim} - set(children(server.pid)):
            self._lost.append(f"with the process {victim}, {sorted(gone)} ended")

    async def _submit(self, clients: list[Any], job_ids: list[str], upto: int) -> None:
        for number in range(len(job_ids), upto):
            plugin = "progressing" if number % LONG_JOBS == 0 else "noop"
            labels = {"group": GROUPS[number % len(GROUPS)]}
            while True:
                try:
                    job = await clients[1].submit(
                        plugin, b"%d" % number, labels=labels, request_id=f"job-{number}", **IMAGE
                    )
                except runward.RunwardError as error:
                    if error.code is None:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    break
            job_ids.append(job.id)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read_log(self) -> None:
        """Keep what the log's table holds, before it is compacted."""
        with closing(sqlite3.connect(self.folder / "data" / "runward.db", timeout=10)) as connection:
            while True:
                for revision, job_id, status, attempt, group in connection.execute(EVENTS, (max(self.log, default=0),)):
                    self.log[revision] = Event(revision, job_id, STATUSES[status], attempt, group)
                await asyncio.sleep(LOG_SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    """Look now and then whether something outside has come to pass."""
    while not condition():  # noqa: ASYNC110 - another process's doing
        await asyncio.sleep(PAUSE_SECONDS)


def any_watcher(turns: random.Random, number: int) -> Watcher:
    """One of three kinds; some of them want only what comes."""
    kinds = ({}, {"group": turns.choice(GROUPS)}, {"statuses": TERMINAL})
    return Watcher(**kinds[number % 3], cursor=-1 if number % 10 == 0 else 0)  # type: ignore[arg-type]


def free_address() -> str:
    """A port that is free now, which a restarted server takes again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@click.command()
@click.option("--watchers", type=click.IntRange(4), default=1000, show_default=True)
@click.option("--jobs", type=click.IntRange(4), default=200, show_default=True)
@click.option("--kills", type=click.IntRange(0), default=3, show_default=True)
@click.option("--retain-jobs", type=click.IntRange(0), default=0, help="Compact the log under way.")
@click.option("--servers", type=click.IntRange(1), default=1, show_default=True, help="Processes on one data folder.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Processes of one server.")
@click.option("--seed", default="", help="Of the disconnects; random by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def main(  # noqa: PLR0917 - click passes each option by name
    watchers: int, jobs: int, kills: int, retain_jobs: int, servers: int, processes: int, seed: str, as_json: bool
) -> None:
    """Watch jobs with many watchers that come and go while the server is killed. Exit status 1 where one saw anything
    else than the log.
    """
    plan = Plan(watchers, jobs, kills, seed or secrets.token_hex(4), retain_jobs, servers, processes)
    click.echo(f"seed {plan.seed}", err=True)
    with tempfile.TemporaryDirectory(prefix="watching-") as folder:
        run = Run(plan, Path(folder), lambda text: click.echo(text, err=True))
        asyncio.run(run.run())
        problems = run.problems
    if as_json:
        click.echo(json.dumps(run.counts() | {"problems": problems}))
    else:
        for name, count in run.counts().items():
            click.echo(f"{count:>10}  {name}")
        for problem in problems[:20]:
            click.echo(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
