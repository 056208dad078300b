"""What calling functions and classes outside the files gives: those of the standard library that carry values on."""

from __future__ import annotations

import functools

from runward_scanner.inference import containers
from runward_scanner.inference.attributes import carry
from runward_scanner.inference.interest import interesting
from runward_scanner.inference.modelled_elements import mapping
from runward_scanner.inference.models import MODELS
from runward_scanner.inference.tables import (
    COLLECTING,
    HOLDING,
    MAPPING,
    OPAQUE_BUILTINS,
    TRACEBACKS,
    TRANSPARENT,
)
from runward_scanner.inference.values import (
    NOTHING,
    OPAQUE,
    UNKNOWN,
    Container,
    External,
    Function,
    PluginRun,
    Role,
    Thing,
    Value,
    idle_thing,
    one,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from typing import TypeAlias

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame

    Model: TypeAlias = Callable[[Frame, str, Arguments, ast.AST], Value]


def call_external(frame: Frame, external: External, arguments: Arguments, node: ast.AST) -> Value:
    """What calling something that is not among the files gives."""
    path = external.path
    return _model_of(path)(frame, path, arguments, node)


@functools.lru_cache(maxsize=4096)
def _model_of(path: str) -> Model:
    """What says what calling something of that name gives."""
    if path in MODELS:
        return MODELS[path]
    if path.startswith("builtins."):
        name = path[9:]
        if name in OPAQUE_BUILTINS:
            return _opaque
        if name.endswith(("Error", "Exception", "Exit", "Interrupt", "Warning", "Group")):
            return _exception
    if path in TRANSPARENT:
        return _transparent
    if path in COLLECTING:
        return _collect
    if path in MAPPING:
        return mapping
    return _traceback if path in TRACEBACKS else _unknown_external


def _opaque(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    frame.engine.hand_over(frame, arguments, node)
    return OPAQUE


def _exception(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """An exception of Python's own, which carries what it is given."""
    carry(frame, arguments.every(), node)
    return OPAQUE if Role.EXCEPTION_TEXT not in arguments.every() else UNKNOWN


def _traceback(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    return one(Role.TRACEBACK)


def _unknown_external(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """An object of elsewhere, which may hand out what it was given."""
    heap = frame.engine.heap
    results = frame.engine.callbacks(frame, arguments, node)
    every = (*arguments.positional, *arguments.keywords.values(), arguments.rest, arguments.mapping, results)
    for value in every:
        if value and interesting(frame, value):
            break
    else:
        if not path.startswith(HOLDING):
            return idle_thing(path)
    thing = Thing(path, node, frame.activation)
    for value in (*arguments.positional, arguments.rest, arguments.mapping, results):
        if value:
            heap.write(thing, containers.ANY, value, frame.module, node)
    for name, value in arguments.keywords.items():
        heap.write(thing, name, value, frame.module, node)
        heap.write(thing, containers.ANY, value, frame.module, node)
    return one(thing)


def _transparent(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    first = arguments.at(0, "coro")
    if path == "builtins.iter" and len(arguments.positional) == 2:
        made = frame.engine.callbacks(frame, arguments, node)
        return containers.make(frame, "list", [], node, made or UNKNOWN)
    if not first:
        return (
            one(External(path))
            if path.startswith(("functools.", "dataclasses.", "typing.", "contextlib."))
            else UNKNOWN
        )
    if path == "functools.wraps":
        return one(External("functools.update_wrapper"))
    if path in {"builtins.staticmethod", "builtins.classmethod"}:
        for atom in first:
            if type(atom) is Function:
                atom.info.kind = "static" if path.endswith("staticmethod") else "class"
                frame.engine.forget_derived()
    return first


def _collect(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    given = [*arguments.positional, *([arguments.rest] if arguments.rest else [])]
    if path == "asyncio.gather":
        return containers.make(frame, "list", given, node)
    for value in given:
        if len(given) == 1:
            for atom in value:
                if (
                    type(atom) is Container
                    and path in {"builtins.list", "builtins.tuple"}
                    and atom.kind in {"list", "tuple"}
                ):
                    return value
    held = NOTHING
    for value in given:
        found = containers.elements(frame, value, node)
        held |= containers.elements(frame, found, node) if path.endswith("from_iterable") else found
    return containers.make(frame, "list", [], node, held)


# -- single models ---------------------------------------------------------------------------------------------------


def is_run(value: Value) -> bool:
    """Whether a value may be a plugin's ``run`` that was obtained within ToolRunner."""
    for atom in value:  # noqa: SIM110 - as in interesting()
        if type(atom) is PluginRun and not atom.reported:
            return True
    return False
