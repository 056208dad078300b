"""Words that stand where a lifecycle state is declared: annotated names, defaults of parameters and fields."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from runward_scanner.inference.values import texts
from runward_scanner.rules.state_words import is_state_enum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import ModuleInfo


def declared(engine: Engine) -> Iterator[tuple[ModuleInfo, ast.AST, list[str]]]:
    """Give the words that are written for what is declared to be a state, each with its place."""
    for module in engine.governed:
        for node in module.statements:
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                yield from _written(engine, module, node.annotation, node.value)
    for info in engine.functions.values():
        if info.module.governed:
            spec = info.node.args
            positional = [*spec.posonlyargs, *spec.args]
            pairs = [
                *zip(positional[len(positional) - len(spec.defaults) :], spec.defaults, strict=True),
                *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
            ]
            for parameter, default in pairs:
                if parameter.annotation is not None and default is not None:
                    yield from _written(engine, info.module, parameter.annotation, default)


def _written(
    engine: Engine, module: ModuleInfo, annotation: ast.expr, value: ast.expr
) -> Iterator[tuple[ModuleInfo, ast.AST, list[str]]]:
    """The words in a value, where its annotation, or the last part of it, names the state enum."""
    while isinstance(annotation, ast.Subscript):
        annotation = annotation.slice.elts[-1] if isinstance(annotation.slice, ast.Tuple) else annotation.slice
    names = {item.id for item in ast.walk(annotation) if isinstance(item, ast.Name)}
    frame = engine.frame_of_module(module)
    if not any(is_state_enum(frame.lookup(name)) for name in names):
        return
    for node in _elements(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield module, node, [node.value]
        elif isinstance(node, ast.Name):
            yield module, node, texts(frame.lookup(node.id))


def _elements(value: ast.expr) -> Iterator[ast.expr]:
    """A value, or what a display of values holds."""
    if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        for element in value.elts:
            yield from _elements(element)
    elif isinstance(value, ast.Dict):
        for element in value.values:
            yield from _elements(element)
    else:
        yield value
