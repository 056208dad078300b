"""The crash matrix: what was killed where, and the document that says so."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.crash.lab import jobs_for
from tests.crash.point import Kind, Point, Victim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.crash.case import Result
    from tests.crash.lab import Job
    from tests.crash.life import Life

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "crash-matrix.md"
COLUMNS = len(Kind) + len(Victim)
HEAD = """\
# The crash matrix

Every kind of a job's life below is played once to find its points: each SQL statement (those that triggers run, too),
each commit, each operation on a file of the data folder, each message between the service and a worker. Then it is
played again for each point, and there, before, after, or in the midst of a write, the process gets a real SIGKILL.
The service starts again on what is left, every job comes to its end, the service stops, and it must hold that:

- every acknowledged job is there and has reached one terminal status, the one that was acknowledged if one was; none
  is PENDING or RUNNING;
- the log of each job is a legal path that ends with what its row says, with one terminal event;
- the stored counters are the terminal attempts, the stored durations the runs;
- the images of all jobs are there, byte for byte; the database passes SQLite's own checks;
- no attempt is run twice, and none that the job does not know of (the start of an `Analyze` is written with its end,
  or up to 10 ms late);
- no process outlives the service, and nothing is left of a dead owner.

At each message the worker's two processes, its host and its keeper, are killed too, by themselves, and the service
must bring the job to its end without a restart. A kill where nothing passes between the end of one thing and the
beginning of the next counts for both points. The start after a kill is made once for each state that kills of a life
leave (the rows, the files, what was acknowledged, ids and times apart); `python -m tests.crash --every-restart` makes
it after every kill.

The lives of a job are also played beside a second process on the data folder, as there is with `runward serve
--processes 2`: there the other one, which nobody starts again, has to bring everything to its end. `make check` kills
the service at their commits, files and messages, `python -m tests.crash --beside`, which `make crashes` calls, too, at
every point.

`make check` does all that, and fails where one kill is not green, where a point was seen that could not be killed at,
or where this document is not that of the service. `make crashes` does it by itself and publishes the document;
`python -m tests.crash --enumerate --write` publishes it without killing anybody. The numbers are those of one run: how
often a statement occurs hangs on what a commit gathers. Whatever occurs is killed at.
"""


@dataclass
class Tally:
    """What was done to one life."""

    played: list[Point] = field(default_factory=list)
    """Its points, as they passed when nobody was killed."""
    points: set[Point] = field(default_factory=set)
    """Those that were killed at, those that only showed in a case among them."""
    kills: Counter[Victim] = field(default_factory=Counter)
    restarts: int = 0
    elusive: list[Point] = field(default_factory=list)
    problems: list[tuple[str, list[str], str]] = field(default_factory=list)
    """(case, what did not hold, the log)."""

    def add(self, job: Job, result: Result) -> None:
        """Count one case."""
        if result.problems:
            self.problems.append((job.name, result.problems, result.log))
        if job.at is None:
            self.played = [Point.parse(text) for text in result.points]
            return
        self.restarts += result.started_again
        if result.reached:
            self.points.update(job.covers)
            self.kills[job.victim] += 1
        else:
            self.elusive += job.covers

    @property
    def killed_at(self) -> set[tuple[Kind, str, str]]:
        """What was killed at, in any of its occurrences."""
        return {(point.kind, point.name, point.moment) for point in self.points}

    @property
    def names(self) -> dict[Kind, list[str]]:
        """The names of its points, by kind."""
        found: dict[Kind, set[str]] = defaultdict(set)
        for point in self.played:
            found[point.kind].add(point.name)
        return {kind: sorted(found[kind]) for kind in Kind if kind in found}

    def form(self) -> dict[str, Any]:
        """For a program."""
        return {
            "points": Counter(point.kind.value for point in self.points),
            "kills": {victim.value: count for victim, count in self.kills.items()},
            "restarts": self.restarts,
            "names": {kind.value: names for kind, names in self.names.items()},
            "problems": [{"case": case, "problems": problems} for case, problems, _ in self.problems],
        }


def missed(tallies: Iterable[Tally]) -> list[str]:
    """What was seen, could not be killed at where it was seen, and was killed at in no other life either.

    On a slow machine, what belongs to the start of the service may be late and show in a life that begins after it.
    """
    listed = list(tallies)
    killed = set().union(*(tally.killed_at for tally in listed))
    elusive = {point for tally in listed for point in tally.elusive}
    return sorted(str(point) for point in elusive if (point.kind, point.name, point.moment) not in killed)


def row_of(life: Life, tally: Tally) -> list[int]:
    """How many points of each kind a life has, and how often each process is killed for them."""
    points = Counter(point.kind for point in tally.played)
    kills = Counter(job.victim for job in jobs_for(life, tally.played, set()))
    return [*(points[kind] for kind in Kind), *(kills[victim] for victim in Victim)]


def render(lives: Sequence[Life], tallies: dict[str, Tally], before: str = "") -> str:
    """The document; a life that has no tally stays as it is in the document ``before``."""
    rows, sections = _rows(before), _sections(before)
    for life in lives:
        if life.name in tallies:
            rows[life.name] = row_of(life, tallies[life.name])
            sections[life.name] = _section(tallies[life.name])
    known = [life for life in lives if life.name in rows]
    parts = [HEAD, *_table(known, rows), "## What the points are", ""]
    parts.append("Statements by their names in `service/runward_service/store/sql`, others by their first words.")
    parts += [f"\n### {life.name}\n\n{sections[life.name]}" for life in known]
    return "\n".join(parts).rstrip() + "\n"


def _section(tally: Tally) -> str:
    return "\n".join(f"- {kind}: {', '.join(f'`{name}`' for name in names)}" for kind, names in tally.names.items())


def _table(lives: Sequence[Life], rows: dict[str, list[int]]) -> Iterator[str]:
    yield "## Points and kills"
    yield ""
    yield f"| life | what happens | {' | '.join(Kind)} | kills of the service | of a host | of a keeper |"
    yield f"| --- | --- |{' ---: |' * COLUMNS}"
    for life in lives:
        yield f"| {life.name} | {life.about} | {' | '.join(map(str, rows[life.name]))} |"
    totals = map(sum, zip(*(rows[life.name] for life in lives), strict=True))
    yield f"| all | | {' | '.join(map(str, totals))} |"
    yield ""


def _rows(text: str) -> dict[str, list[int]]:
    found = re.findall(rf"^\| ([^|]+) \| [^|]* \|((?: \d+ \|){{{COLUMNS}}})$", text, re.MULTILINE)
    return {name: [int(number) for number in re.findall(r"\d+", numbers)] for name, numbers in found}


def _sections(text: str) -> dict[str, str]:
    parts = (section.partition("\n") for section in text.split("\n### ")[1:])
    return {name: body.strip() for name, _, body in parts}


def published_names(text: str) -> dict[str, dict[str, list[str]]]:
    """The names that a document gives, by life and kind."""
    found: dict[str, dict[str, list[str]]] = {}
    for life, body in _sections(text).items():
        rows = re.findall(r"^- ([a-z ]+): (.*)$", body, re.MULTILINE)
        found[life] = {kind: re.findall(r"`([^`]+)`", names) for kind, names in rows}
    return found
