"""The loads against an echo of their own, so that a figure is never that of calls which were not made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench import calls, h2load
from tests.bench.child_program import ChildProgram, LoadError, LoadProgram
from tests.bench.h2load import H2Load
from tests.bench.made_calls import Load, PythonLoad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)
FAKE = """\
#!/bin/sh
echo 'finished in 500.00ms, 2000.00 req/s, 1MB/s'
echo "requests: $2 total, $2 started, $2 done, $(($2 - {failed})) succeeded, {failed} failed, 0 errored, 0 timeout"
"""


@pytest.fixture
def program() -> Iterator[LoadProgram]:
    """A load program."""
    with LoadProgram() as load:
        yield load


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of an echo."""
    with ChildProgram("echo") as process:
        yield process.read_line()


def counted(program: LoadProgram, echo: str) -> int:
    """Ask the echo how often it answered."""
    return int(program.one(calls.echo_count(echo)))


@pytest.mark.parametrize("connections", [1, 4])
def test_the_python_load_makes_as_many_calls_as_it_says(program: LoadProgram, echo: str, connections: int) -> None:
    """All calls that it tells of reached the echo, however many connections they took."""
    load: Load = PythonLoad(program, connections)
    made = load.make(calls.echo(echo), 8, 0.2)
    assert 0 < made.count == counted(program, echo)


def test_the_python_load_tells_a_call_that_failed(program: LoadProgram) -> None:
    """A status other than OK ends it."""
    with pytest.raises(LoadError, match="UNAVAILABLE"):
        PythonLoad(program).make(calls.echo("127.0.0.1:1"), 8, 0.2)


def test_h2load_makes_as_many_calls_as_took_the_time_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its first run is of a fixed number of calls; what it prints tells how many the next one makes."""
    fake(monkeypatch, tmp_path, failed=0)
    load: Load = H2Load()
    made = load.make(calls.echo("127.0.0.1:1"), 64, 3)
    assert (made.count, made.seconds) == (1000, 0.5)
    assert load.make(calls.echo("127.0.0.1:1"), 64, 3).count == 6000


def test_calls_that_h2load_did_not_see_answered_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A call without an answer ends it."""
    fake(monkeypatch, tmp_path, failed=1)
    with pytest.raises(LoadError, match="999 succeeded"):
        H2Load().make(calls.echo("127.0.0.1:1"), 64, 3)


def fake(monkeypatch: pytest.MonkeyPatch, folder: Path, failed: int) -> None:
    """Put a program in h2load's place that prints what the real one prints."""
    program = folder / h2load.PROGRAM
    program.write_text(FAKE.format(failed=failed))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
