"""Judging many mutants, one after another or in several processes."""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.scanner.mutation.clean_operators import CLEAN_OPERATORS
from tests.scanner.mutation.operators import OPERATORS
from tests.scanner.mutation.service_tree import ServiceTree
from tests.scanner.mutation.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.scanner.mutation.mutant import Mutant
    from tests.scanner.mutation.service_source import ServiceSource

ROUND = 25
"""How many mutants a process judges before it reports."""


class DirtyServiceError(Exception):
    """The unchanged service has findings, so that a finding on a mutant says nothing."""


def all_mutants(source: ServiceSource, only: Sequence[str] = ()) -> list[Mutant]:
    """The mutants of every operator, clean ones included, or of those named."""
    chosen = [item for item in (*OPERATORS, *CLEAN_OPERATORS) if not only or item.name in only]
    return [mutant for operator in chosen for mutant in operator.mutants(source)]


def measure(source: ServiceSource, mutants: Sequence[Mutant], jobs: int) -> Iterator[Verdict]:
    """Judge mutants in their order. Raises DirtyServiceError."""
    rounds = [mutants[start : start + ROUND] for start in range(0, len(mutants), ROUND)]
    if jobs > 1:
        with ProcessPoolExecutor(jobs) as processes:
            for verdicts in processes.map(partial(_judged, source), rounds):
                yield from verdicts
        return
    with tempfile.TemporaryDirectory(prefix="runward-mutants-") as folder:
        tree = clean_tree(Path(folder), source)
        for mutant in mutants:
            yield judge(mutant, tree)


def clean_tree(folder: Path, source: ServiceSource) -> ServiceTree:
    """A copy of the service in an empty folder, shown to be without a finding. Raises DirtyServiceError."""
    tree = ServiceTree(folder, source)
    if rules := tree.rules({}):
        raise DirtyServiceError(f"the unchanged service has findings: {', '.join(rules)}")
    return tree


def _judged(source: ServiceSource, mutants: Sequence[Mutant]) -> list[Verdict]:
    return list(measure(source, mutants, 1))
