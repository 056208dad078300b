"""Readings: governed files that are read together, for what one of them does may show in another.

What a reading finds hangs on its own files and on those that they led to, and on nothing else but the names of all
files and the settings: so it can be kept for as long as those files stay what they are. Files are read apart only where
nothing leads from one to the other: no import, no attribute of something unknown that one sets and the other asks for,
no file that both use. The files of a governed root are one program, and so is all that is read beside them or beside a
ToolRunner.
"""

from __future__ import annotations

import ast

from runward_scanner.inference.engine import Engine
from runward_scanner.inference.heap import ANYTHING
from runward_scanner.inference.imports import absolute
from runward_scanner.rules import RULES
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from runward_scanner.finding import Finding
    from runward_scanner.inference.model import ModuleInfo
    from runward_scanner.project import Project


class Reading(NamedTuple):
    """What the rules found in files that were read together, by the paths as shown."""

    files: frozenset[str]
    """The governed files of the reading."""
    reached: frozenset[str]
    """The files that it led to, its own among them or not."""
    told: frozenset[str]
    """The names of attributes that were set on something not known."""
    asked: frozenset[str]
    """The names of attributes that something not known was asked for."""
    findings: tuple[Finding, ...]


def readings(project: Project, known: Mapping[frozenset[str], Reading]) -> list[Reading]:
    """Read every governed file of a project, those apart that have nothing to do with one another.

    ``known`` holds readings that are still good, by their files; they are not made again.
    """
    modules = project.governed()
    groups = _whole(modules) if _is_one_program(project, modules) else _by_imports(project, modules)
    while True:
        found = [known.get(_names(group)) or _read(project, group) for group in groups]
        joined = _joined(modules, groups, _ties(found))
        if len(joined) == len(groups):
            return found
        groups = joined


def _names(modules: Iterable[ModuleInfo]) -> frozenset[str]:
    return frozenset(module.source.shown for module in modules)


def _read(project: Project, modules: Sequence[ModuleInfo]) -> Reading:
    """Read these modules and ask every rule."""
    project.reached.clear()
    rules = [rule() for rule in RULES]
    engine = Engine(project, rules)
    engine.read(list(modules))
    found = engine.findings()
    for rule in rules:
        found.extend(rule.finish(engine))
    reading = Reading(
        files=_names(modules),
        reached=frozenset(project.reached),
        told=frozenset(engine.heap.names_of(ANYTHING)),
        asked=frozenset(engine.heap.asked),
        findings=tuple(found),
    )
    if not project.is_last:
        engine.release()
    return reading


def _whole(modules: list[ModuleInfo]) -> list[list[ModuleInfo]]:
    return [modules] if modules else []


def _is_one_program(project: Project, modules: Iterable[ModuleInfo]) -> bool:
    """Whether rules may look from any governed file into any other: they do so from a ToolRunner on."""
    name = project.settings.tool_runner_class
    return any(module.root is not None for module in modules) or any(
        statement.name == name for module in modules for statement in module.statements(ast.ClassDef)
    )


def _by_imports(project: Project, modules: Sequence[ModuleInfo]) -> list[list[ModuleInfo]]:
    """The modules in groups that import statements join."""
    ties: list[set[str]] = []
    for module in modules:
        project.reached.clear()
        for name in _imported(module):
            project.resolve(name, module)
        ties.append({module.source.shown, *project.reached})
    return _joined(modules, [[module] for module in modules], ties)


def _imported(module: ModuleInfo) -> Iterator[str]:
    """The full names of modules that a module's import statements may name."""
    for plain in module.statements(ast.Import):
        yield from (alias.name for alias in plain.names)
    for statement in module.statements(ast.ImportFrom):
        full = absolute(module, statement)
        yield full
        yield from (f"{full}.{alias.name}" for alias in statement.names)


def _ties(found: Sequence[Reading]) -> list[set[str]]:
    """What ties each reading to others: the files that it knows, and attributes of something unknown that are set."""
    told = frozenset[str]().union(*(reading.told for reading in found))
    return [
        {*reading.files, *reading.reached, *(f"?{name}" for name in (reading.told | reading.asked) & told)}
        for reading in found
    ]


def _joined(
    modules: Sequence[ModuleInfo], groups: Sequence[list[ModuleInfo]], ties: Sequence[set[str]]
) -> list[list[ModuleInfo]]:
    """The groups, those that share a tie made one, each with its modules in the order of all."""
    order = {module.path: index for index, module in enumerate(modules)}
    joined: list[tuple[set[str], list[ModuleInfo]]] = []
    for group, tie in zip(groups, ties, strict=True):
        names, members = set(tie), list(group)
        apart = []
        for other in joined:
            if names.isdisjoint(other[0]):
                apart.append(other)
            else:
                names |= other[0]
                members = other[1] + members
        joined = [*apart, (names, members)]
    return [sorted(members, key=lambda module: order[module.path]) for _, members in joined]
