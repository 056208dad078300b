"""The runtime guard stops every bypass of the mutation harness that can be executed by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scanner.mutation.bypass import Bypass
from tests.scanner.mutation.dynamic_operators import DYNAMIC_OPERATORS
from tests.scanner.mutation.end_operators import END_OPERATORS
from tests.scanner.mutation.guard import ExecutingGuard
from tests.scanner.mutation.mutant import Mutant
from tests.scanner.mutation.run_operators import RUN_OPERATORS, WAYS
from tests.scanner.mutation.service_source import read_service

if TYPE_CHECKING:
    from collections.abc import Iterator

GOVERNED = """
from runward_service.runtime.tool_runner import ToolRunner

def bypass(subject, payload, context):
    return ToolRunner.run_plugin(subject, payload, context)
"""
NOTHING = "def bypass(subject, payload, context):\n    return None\n"
BOTH = """
from runward_service.runtime.tool_runner import ToolRunner

def bypass(subject, payload, context):
    ToolRunner.run_plugin(subject, payload, context)
    return subject.run(payload, context)
"""


@pytest.fixture(scope="module")
def guard() -> Iterator[ExecutingGuard]:
    """The guard of the matrix."""
    executing = ExecutingGuard()
    yield executing
    executing.close()


def test_every_bypass_is_stopped(guard: ExecutingGuard) -> None:
    """Each way to a plugin's run, each text executed, each forged end is logged as a violation and runs nothing."""
    source = read_service()
    operators = (*RUN_OPERATORS, *END_OPERATORS, *DYNAMIC_OPERATORS)
    mutants = [mutant for operator in operators for mutant in operator.mutants(source) if mutant.bypass is not None]
    assert {mutant.operator for mutant in mutants} >= {way.name for way in WAYS}
    assert [mutant.name for mutant in mutants if guard(mutant) is not True] == []


@pytest.mark.parametrize("code", [GOVERNED, NOTHING, BOTH])
def test_what_is_not_stopped_is_told(guard: ExecutingGuard, code: str) -> None:
    """A bypass that runs the plugin, or comes to nothing, counts as not stopped; so does one that runs it first."""
    assert guard(Mutant("made", "here", "RWD001", {}, Bypass(code))) is False


def test_what_cannot_be_executed_is_not_judged(guard: ExecutingGuard) -> None:
    """A mutant without a bypass is neither stopped nor not."""
    assert guard(Mutant("made", "here", "RWD001", {})) is None
