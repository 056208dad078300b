"""How fast the scanner is beside the bare parser and beside other checkers, over the same files and on one core.

Against the parser, and warm against cold, everything runs in this process: no start counts for any of them. Other
checkers are programs, so there the scanner is one too, and the start counts for all; compiled modules are there for
all, as where they are installed. Every time is the processor's, so that what else the machine does counts little: each
of these programs is one process, and waits for nothing.
"""

from __future__ import annotations

import ast
import gc
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from runward_scanner.scan import scan
from runward_scanner.search import Search
from runward_scanner.settings import Settings
from tests.bench.figure import Figure, Target
from tests.bench.statistics import ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.scale import Scale

NAME = "scanner"
SERVICE = Path(__file__).parents[2] / "service" / "runward_service"
PACKAGES = Path(sysconfig.get_path("purelib"))
PACKAGE = "click"
"""The installed package that other checkers are tried on; all packages would take them many minutes."""
PROGRAMS: Mapping[str, Sequence[str]] = {
    "scanner": ("runward_scanner",),
    "flake8": ("flake8", "--isolated", "--jobs", "1", "--exit-zero", "--quiet"),
    "bandit": ("bandit", "--quiet", "--exit-zero", "--recursive"),
}
OF_PARSER = Target(0.15, at_least=True)
OF_PARSER_PASSING_OVER = Target(0.5, at_least=True)
WARM = Target(10, at_least=True)
TIMES = Target(3, at_least=True)
MEGABYTE = 1e6


class ScanningError(Exception):
    """What was to be scanned has findings, or a checker could not be run."""


def measure(scale: Scale, say: Callable[[str], None]) -> Sequence[Figure]:
    """Measure all in turns. Raises ScanningError."""
    _scan(SERVICE)  # what the scanner keeps for the length of a process is there from the first round on
    return [
        *_beside_parser(SERVICE, "service", OF_PARSER, scale.scans, say),
        *_beside_parser(PACKAGES, "packages", OF_PARSER_PASSING_OVER, scale.package_scans, say),
        *_warm(scale.scans, say),
        *_beside_checkers(SERVICE, "service", scale.scans, say),
        *_beside_checkers(PACKAGES / PACKAGE, f"package {PACKAGE}", scale.package_scans, say),
    ]


def _beside_parser(path: Path, name: str, target: Target, rounds: int, say: Callable[[str], None]) -> Sequence[Figure]:
    """Give the scanner's speed as a share of the parser's."""
    files = [Path(entry.shown) for entry in Search(path, Settings(base=str(path))).entries()]
    size = sum(file.stat().st_size for file in files) / MEGABYTE
    found = _in_turns(
        {"parse": lambda: _parse(files), "scan": lambda: _scan(path)}, rounds, f"{name}, beside ast.parse", say
    )
    return [
        Figure.of_rounds(NAME, f"{name}, cold / ast.parse", ratios(found["parse"], found["scan"]), "", target),
        Figure.of_rounds(NAME, f"{name}, cold", [size / seconds for seconds in found["scan"]], "MB/s"),
        Figure.of_rounds(NAME, f"{name}, ast.parse", [size / seconds for seconds in found["parse"]], "MB/s"),
    ]


def _warm(rounds: int, say: Callable[[str], None]) -> Sequence[Figure]:
    """Give how many times faster a scan of the service is where nothing changed; the cold one writes the cache."""
    with tempfile.TemporaryDirectory() as folder:
        caches = [Path(folder) / str(number) for number in range(2 * rounds)]
        programs, caches = caches[rounds:], caches[:rounds]
        cold = [_timed(lambda cache=cache: _scan(SERVICE, cache)) for cache in caches]  # type: ignore[misc]
        say("service, warm")
        warm = [_timed(lambda cache=cache: _scan(SERVICE, cache)) for cache in caches]  # type: ignore[misc]
        _run("runward_scanner", str(SERVICE))
        starts = [[_timed(lambda cache=cache: _scanned(cache)) for cache in programs] for _ in range(2)]  # type: ignore[misc]
    return [
        Figure.of_rounds(NAME, "service, warm / cold", ratios(cold, warm), "times", WARM),
        Figure.of_rounds(NAME, "service, warm / cold, as programs", ratios(*starts), "times"),
    ]


def _beside_checkers(path: Path, name: str, rounds: int, say: Callable[[str], None]) -> Sequence[Figure]:
    """Give how many times faster the scanner is than other checkers, as programs."""
    runs = {program: lambda words=words: _run(*words, str(path)) for program, words in PROGRAMS.items()}  # type: ignore[misc]
    for run in runs.values():
        run()  # which compiles what is not compiled yet
    found = _in_turns(runs, rounds, f"{name}, beside other checkers", say)
    return [
        Figure.of_rounds(NAME, f"{name}, scanner / {other}", ratios(found[other], found["scanner"]), "times", TIMES)
        for other in PROGRAMS
        if other != "scanner"
    ]


def _in_turns(
    works: Mapping[str, Callable[[], None]], rounds: int, what: str, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Time each work once a round, the order changing, so that none profits from a drift of the machine."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        say(f"{what}, round {number + 1} of {rounds}")
        for name in list(works) if number % 2 == 0 else reversed(list(works)):
            seconds[name].append(_timed(works[name]))
    return seconds


def _timed(work: Callable[[], None]) -> float:
    """Tell how long a work takes the processor, in seconds, what others left behind having been collected before."""
    gc.collect()
    start = _processor_seconds()
    work()
    return _processor_seconds() - start


def _processor_seconds() -> float:
    """The processor's time for this process and for those that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _parse(files: Sequence[Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            try:
                ast.parse(file.read_bytes())
            except (SyntaxError, ValueError):
                continue  # some packages hold broken files, to try others with


def _scan(path: Path, cache: Path | None = None) -> None:
    findings = scan(path, cache=cache).findings
    if findings:
        raise ScanningError(f"{path} has {len(findings)} findings, the first in {findings[0].place}")


def _scanned(cache: Path) -> None:
    _run("runward_scanner", "--cache", str(cache), str(SERVICE))


def _run(*words: str) -> None:
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=compiling)
    if answer.returncode != 0:
        raise ScanningError(f"{words[0]} ended with exit status {answer.returncode}: {answer.stderr.strip()[-300:]}")
