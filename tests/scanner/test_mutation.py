"""Mutants of the service are noticed, changes that break no rule are not, and the published matrix is the generator's.

Every operator is tried once here, several mutants a scan; ``make matrix`` judges all of them, one by one.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.scanner.mutation.clean_operators import CLEAN_OPERATORS
from tests.scanner.mutation.matrix import CODES, DOCUMENT, counts, named
from tests.scanner.mutation.measuring import clean_tree
from tests.scanner.mutation.operators import OPERATORS
from tests.scanner.mutation.pack import Pack, packed
from tests.scanner.mutation.run_operators import WAYS
from tests.scanner.mutation.service_source import ROOT, read_service

if TYPE_CHECKING:
    from tests.scanner.mutation.mutant import Mutant
    from tests.scanner.mutation.service_tree import ServiceTree

SOURCE = read_service()
PUBLISHED = DOCUMENT.read_text("utf-8")
LET_THROUGH = named(PUBLISHED)
MUTANTS = {operator.name: operator.mutants(SOURCE) for operator in OPERATORS}
CLEAN = {operator.name: operator.mutants(SOURCE) for operator in CLEAN_OPERATORS}
LEAST_MUTANTS, LEAST_CLEAN = 200, 25


def representative(mutants: list[Mutant]) -> list[Mutant]:
    """The first of an operator's mutants that is not published as a survivor; none where all are."""
    return [mutant for mutant in mutants if mutant.name not in LET_THROUGH][:1]


PACKS = packed(mutant for mutants in MUTANTS.values() for mutant in representative(mutants))
CLEAN_PACKS = packed(mutant for mutants in CLEAN.values() for mutant in mutants if mutant.name not in LET_THROUGH)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ServiceTree:
    """A copy of the service, which has no finding while it is unchanged."""
    return clean_tree(tmp_path_factory.mktemp("service"), SOURCE)


@pytest.mark.parametrize("pack", PACKS, ids=[pack.mutants[0].operator for pack in PACKS])
def test_every_operator_is_noticed(pack: Pack, tree: ServiceTree) -> None:
    """The scanner finds one mutant of each operator."""
    assert [mutant.name for mutant in pack.unnoticed(tree)] == []


@pytest.mark.parametrize("pack", CLEAN_PACKS, ids=[pack.mutants[0].name for pack in CLEAN_PACKS])
def test_clean_changes_are_not_noticed(pack: Pack, tree: ServiceTree) -> None:
    """The scanner finds nothing in changes that break no rule."""
    assert tree.scan(pack.files) == {}


def test_every_mutant_is_a_change_that_compiles() -> None:
    """Each mutant differs from the service, parses, and has a name of its own."""
    mutants = [mutant for made in (*MUTANTS.values(), *CLEAN.values()) for mutant in made]
    for mutant in mutants:
        mutant.compile()
        assert all(SOURCE.files.get(path) != text for path, text in mutant.files.items()), mutant.name
    assert [name for name, number in Counter(mutant.name for mutant in mutants).items() if number > 1] == []


def test_every_rule_has_mutants() -> None:
    """There are mutants enough, of every rule, and clean changes enough."""
    assert {operator.rule for operator in OPERATORS} == set(CODES)
    assert sum(len(made) for made in MUTANTS.values()) >= LEAST_MUTANTS
    assert sum(len(made) for made in CLEAN.values()) >= LEAST_CLEAN


def test_the_published_matrix_is_the_generators() -> None:
    """The document counts what the generator makes, and names only mutants that there are."""
    every = {**MUTANTS, **CLEAN}
    assert counts(PUBLISHED) == {name: len(made) for name, made in every.items()}
    assert LET_THROUGH - {mutant.name for made in every.values() for mutant in made} == set()


def test_every_way_reaches_the_plugin() -> None:
    """Each way to a plugin's run, when it is executed, runs the plugin that it is given, or is stopped at its run."""
    command = [sys.executable, "-m", "tests.scanner.mutation.executing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reached = {line.split()[1] for line in done.stdout.splitlines()}
    assert {way.name for way in WAYS} - reached == set()
