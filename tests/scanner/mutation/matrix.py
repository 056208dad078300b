"""The kill matrix as a document, and what tests read back from it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runward_scanner.rules import RULES
from tests.scanner.mutation.clean_operators import CLEAN_OPERATORS
from tests.scanner.mutation.operators import OPERATORS
from tests.scanner.mutation.service_source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.scanner.mutation.mutation_operator import Operator
    from tests.scanner.mutation.service_source import ServiceSource
    from tests.scanner.mutation.verdict import Verdict

DOCUMENT = ROOT / "docs" / "scanner-matrix.md"
CODES = tuple(rule.code for rule in RULES if rule.code != "RWD000")
SURVIVORS, FALSE_ALARMS = "## Survivors", "## False alarms"
HEAD = """# The kill matrix

`make matrix` takes the real service, changes a copy of it in one place at a time so that a rule of the specification's
section 7 is broken, and lets the scanner read each such mutant, and the runtime guard try it. This page is what came
of that; `tests/scanner/test_mutation.py` keeps it true. The operators are in `tests/scanner/mutation/`.

A mutant is killed by the scanner when any rule fires on it, for the unchanged service has no finding. A row's
numbers under the rules tell on how many of its mutants that rule fired; several may fire on one.
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over some verdicts."""

    mutants: int
    by_scanner: int
    by_its_rule: int
    by_guard: int
    guard_measured: int
    killed: int
    fired: Counter[str]

    @property
    def guard(self) -> str:
        """How many the guard killed of those it was tried on."""
        return f"{self.by_guard} of {self.guard_measured}" if self.guard_measured else "not measured"

    def share(self, count: int) -> str:
        """A count as a percentage of the mutants."""
        return f"{100 * count / self.mutants:.1f} %" if self.mutants else "-"


def tally(verdicts: Iterable[Verdict]) -> Tally:
    """Count verdicts."""
    listed = list(verdicts)
    return Tally(
        len(listed),
        sum(verdict.by_scanner for verdict in listed),
        sum(verdict.by_its_rule for verdict in listed),
        sum(verdict.guard is True for verdict in listed),
        sum(verdict.guard is not None for verdict in listed),
        sum(verdict.killed for verdict in listed),
        Counter(rule for verdict in listed for rule in verdict.rules),
    )


def render(verdicts: Sequence[Verdict], source: ServiceSource) -> str:
    """The document."""
    broken = [verdict for verdict in verdicts if verdict.mutant.rule]
    clean = [verdict for verdict in verdicts if not verdict.mutant.rule]
    survivors = [verdict for verdict in broken if not verdict.killed]
    alarms = [verdict for verdict in clean if verdict.rules]
    parts = [HEAD, *_by_rule(broken), *_by_operator(broken), *_false_alarms(clean)]
    parts += [SURVIVORS, "", _sentence(len(survivors), "mutant", "survived")]
    parts += [part for verdict in survivors for part in _with_diff(verdict, source)]
    if alarms:
        parts += ["", "## Findings on changes that break no rule"]
        parts += [part for verdict in alarms for part in _with_diff(verdict, source)]
    return "\n".join(parts).rstrip() + "\n"


def _sentence(count: int, noun: str, verb: str) -> str:
    return f"No {noun} {verb}." if not count else f"{count} {noun}{'s' if count > 1 else ''} {verb}."


def _by_rule(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "## By rule"
    yield ""
    yield "| rule | mutants | killed by the scanner | by the rule meant | killed by the guard | killed | survivors |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for code in (*CODES, ""):
        counted = tally(verdict for verdict in verdicts if not code or verdict.mutant.rule == code)
        scanner = f"{counted.by_scanner} ({counted.share(counted.by_scanner)})"
        meant = f"{counted.by_its_rule} ({counted.share(counted.by_its_rule)})"
        killed = f"{counted.killed} ({counted.share(counted.killed)})"
        left = counted.mutants - counted.killed
        title = code or "all"
        yield f"| {title} | {counted.mutants} | {scanner} | {meant} | {counted.guard} | {killed} | {left} |"
    yield ""


def _by_operator(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "## By operator"
    yield ""
    rules = " | ".join(CODES)
    yield f"| operator | what it does | meant for | mutants | by the scanner | {rules} | by the guard |"
    yield f"| --- | --- | --- | ---: | ---: |{' ---: |' * len(CODES)} ---: |"
    for operator, counted in _tallies(OPERATORS, verdicts):
        fired = " | ".join(str(counted.fired[code] or "") for code in CODES)
        scanner = f"{counted.by_scanner} ({counted.share(counted.by_scanner)})"
        about = operator.about.replace("|", "\\|")
        row = f"| {operator.name} | {about} | {operator.rule} | {counted.mutants} | {scanner} | {fired} |"
        yield f"{row} {counted.guard} |"
    yield ""


def _tallies(operators: Sequence[Operator], verdicts: Sequence[Verdict]) -> Iterator[tuple[Operator, Tally]]:
    for operator in operators:
        own = [verdict for verdict in verdicts if verdict.mutant.operator == operator.name]
        yield operator, tally(own)


def _false_alarms(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield FALSE_ALARMS
    yield ""
    yield "The same kind of change, but one that breaks no rule."
    yield ""
    yield "| change | what it does | changes | false alarms |"
    yield "| --- | --- | ---: | ---: |"
    for operator, counted in _tallies(CLEAN_OPERATORS, verdicts):
        yield f"| {operator.name} | {operator.about} | {counted.mutants} | {counted.by_scanner} |"
    total = tally(verdicts)
    yield f"| all | | {total.mutants} | {total.by_scanner} |"
    yield ""


def _with_diff(verdict: Verdict, source: ServiceSource) -> Iterator[str]:
    meant = f"meant for {verdict.mutant.rule}" if verdict.mutant.rule else f"found by {', '.join(verdict.rules)}"
    yield ""
    yield f"### {verdict.mutant.name}"
    yield ""
    yield f"{meant[0].upper()}{meant[1:]}."
    yield ""
    yield "```diff"
    yield verdict.mutant.diff(source).rstrip()
    yield "```"


def named(text: str) -> set[str]:
    """The mutants that a document names, as survivors or as false alarms."""
    return set(re.findall(r"^### (.+ @ .+)$", text, re.MULTILINE))


def counts(text: str) -> dict[str, int]:
    """How many mutants a document says that each operator has."""
    operators = re.findall(r"^\| ([a-z0-9-]+) \| .* \| RWD\d+ \| (\d+) \|", text, re.MULTILINE)
    clean = re.findall(r"^\| (clean-[a-z-]+) \| .* \| (\d+) \| \d+ \|$", text, re.MULTILINE)
    return {name: int(number) for name, number in (*operators, *clean)}
