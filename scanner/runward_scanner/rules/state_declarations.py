"""Words that stand where a lifecycle state is declared: annotated names, defaults of parameters and fields."""

from __future__ import annotations

import ast

from runward_scanner.inference.values import texts
from runward_scanner.rules.state_sql import words_in_sql
from runward_scanner.rules.state_words import is_loose_name, is_state_enum, keeps_state
from runward_scanner.walking import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import ClassInfo, FunctionInfo, ModuleInfo
    from runward_scanner.inference.values import Value

HOLDING = (ast.Name, ast.List, ast.Tuple, ast.Set, ast.Dict)


def declared(engine: Engine) -> Iterator[tuple[ModuleInfo, ast.AST, list[str]]]:
    """Give the words that are written for what is declared to be a state, each with its place."""
    enums = Enums(engine)
    for module in engine.governed:
        for text, words in words_in_sql(module):
            yield module, text, words
        for node in module.statements(ast.AnnAssign):
            if _may_hold_words(node.value):
                yield from _written(enums, module, node.annotation, node.value)
    for kept in engine.classes.values():
        if kept.module.governed and keeps_state(kept.name):
            yield from _of_fields(kept)
    for info in engine.functions.values():
        spec = info.node.args
        if (spec.defaults or spec.kw_defaults) and info.module.governed:
            yield from _of_function(enums, info)


def _of_fields(info: ClassInfo) -> Iterator[tuple[ModuleInfo, ast.AST, list[str]]]:
    """The words that are defaults of a field for the state, in a class that keeps a plugin's."""
    for item in info.node.body:
        if (
            type(item) is ast.AnnAssign
            and type(item.target) is ast.Name
            and is_loose_name(item.target.id)
            and type(item.annotation) is ast.Name
            and item.annotation.id == "str"
            and type(item.value) is ast.Constant
            and isinstance(item.value.value, str)
        ):
            yield info.module, item, [item.value.value]


def _of_function(enums: Enums, info: FunctionInfo) -> Iterator[tuple[ModuleInfo, ast.AST, list[str]]]:
    """The words that are defaults of parameters."""
    spec = info.node.args
    if not any(map(_may_hold_words, spec.defaults)) and not any(map(_may_hold_words, spec.kw_defaults)):
        return
    positional = [*spec.posonlyargs, *spec.args]
    pairs = [
        *zip(positional[len(positional) - len(spec.defaults) :], spec.defaults, strict=True),
        *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
    ]
    for parameter, default in pairs:
        if parameter.annotation is not None and default is not None:
            yield from _written(enums, info.module, parameter.annotation, default)


def _may_hold_words(value: ast.expr | None) -> bool:
    """Whether there is a value that is a string, a name that may stand for one, or a display that may hold one."""
    return isinstance(value, HOLDING) or (type(value) is ast.Constant and isinstance(value.value, str))


class Enums:
    """Which names in which modules are the enum of lifecycle states."""

    def __init__(self, engine: Engine) -> None:
        """Nothing was asked yet."""
        self.engine = engine
        self._known: dict[tuple[ModuleInfo, str], bool] = {}

    def are_named(self, module: ModuleInfo, annotation: ast.expr) -> bool:
        """Whether an annotation names one."""
        for node in walk(annotation):
            if type(node) is ast.Name:
                key = (module, node.id)
                known = self._known.get(key)
                if known is None:
                    known = self._known[key] = is_state_enum(self._named(module, key[1]))
                if known:
                    return True
        return False

    def _named(self, module: ModuleInfo, name: str) -> Value:
        """What a name is at a module's top level; its own globals need no look-up."""
        return self.engine.heap.peek(module, name) or self.engine.frame_of_module(module).lookup(name)


def _written(
    enums: Enums, module: ModuleInfo, annotation: ast.expr, value: ast.expr
) -> Iterator[tuple[ModuleInfo, ast.AST, list[str]]]:
    """The words in a value, where its annotation, or the last part of it, names the state enum."""
    while type(annotation) is ast.Subscript:
        inner = annotation.slice
        if type(inner) is ast.Tuple and not inner.elts:
            return  # the empty tuple's
        annotation = inner.elts[-1] if type(inner) is ast.Tuple else inner
    if not enums.are_named(module, annotation):
        return
    frame = enums.engine.frame_of_module(module)
    for node in _elements(value):
        if type(node) is ast.Constant and isinstance(node.value, str):
            yield module, node, [node.value]
        elif type(node) is ast.Name:
            yield module, node, texts(frame.lookup(node.id))


def _elements(value: ast.expr) -> Iterator[ast.expr]:
    """A value, or what a display of values holds."""
    if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        for element in value.elts:
            yield from _elements(element)
    elif type(value) is ast.Dict:
        for element in value.values:
            yield from _elements(element)
    else:
        yield value
