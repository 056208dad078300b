"""Which arguments of a call stand for a plugin's lifecycle state."""

from __future__ import annotations

import ast

from runward_scanner.inference.containers import contents
from runward_scanner.inference.values import (
    NOTHING,
    Container,
    External,
    Function,
    Instance,
    Method,
    Role,
    Text,
    Value,
    is_open,
)
from runward_scanner.patterns import Pattern, whole
from runward_scanner.rules.state_words import (
    PROTO,
    holds_states,
    is_loose_name,
    is_plugin_like,
    is_state_enum,
    is_state_name,
    is_wrong_word,
    keeps_plugins,
    keeps_state,
    last_name,
    named_class,
    outcomes_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo, FunctionInfo

    Slots: TypeAlias = tuple[tuple[int, str], ...]

SETTERS = Pattern(
    r"_*(?:set|update|change|mark|transition|move|write|store|save|record|publish|force|assign|put|enter|to|switch|advance)"
    r"_(?:to_|the_)?(?:plugin_|lifecycle_)*state(?:_to|_of|_for)?|_*(?:transition|transition_to)"
)
is_setter = whole(SETTERS)
COUNTED = frozenset({"status", "enum"})
"""Traits of the classes whose instances may be a job's status or a metric's outcome."""
NAMING = (ast.Name, ast.Attribute, ast.Constant)
ASKING = frozenset({"startswith", "endswith", "__eq__", "__ne__"})
"""Methods that compare a state with a word."""
FILLERS = frozenset({"update", "setdefault", "__setitem__", "get", "pop"})


def handed_states(frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> list[Value]:
    """What a call hands over as a state: by the callee's parameters, its name, or the keywords."""
    name = last_name(node.func)
    handed: list[Value] = []
    if ("state" in name or "transition" in name) and is_setter(name) and not _is_job_like(node.func):
        given = [value for key, value in arguments.keywords.items() if key.endswith("state") or key == "to"]
        handed.extend(_set_by(frame, node, callee, [*arguments.positional[-1:], *given]))
    if arguments.keywords:
        handed.extend(value for keyword, value in arguments.keywords.items() if is_state_name(keyword))
    receiver = frame.engine.receivers.get(node.func, NOTHING)
    if is_state_enum(receiver) or (name == "extend_enum" and is_state_enum(arguments.at(0))):
        handed.extend(arguments.positional)
    if name == "Value" or _is_generated(callee):
        every = (*arguments.positional, *arguments.keywords.values())
        handed.extend(value for value in every if any(_is_proto(atom) for atom in value))
    if name in ASKING:
        handed.extend(arguments.at(0) for atom in callee if type(atom) is Method and atom.receiver is Role.STATE)
    if name in FILLERS and type(node.func) is ast.Attribute and holds_states(frame, node.func.value):
        handed.extend(_elements(frame, arguments))
    for atom in callee:
        if type(atom) is Function:
            handed.extend(_declared_states(frame, atom, arguments))
        elif atom == PARTIAL:
            for held in arguments.at(0):
                if held.__class__ is Function:
                    handed.extend(_declared_states(frame, held, arguments.after(1)))
    return handed


PARTIAL = External("functools.partial")


def _set_by(frame: Frame, node: ast.Call, callee: Value, given: list[Value]) -> list[Value]:
    """What a function that sets a state by its name is given, where it is not shown to set something else's."""
    name = last_name(node.func)
    receiver = frame.engine.receivers.get(node.func, frozenset())
    if "plugin" in name or "lifecycle" in name or is_plugin_like(receiver):
        return given
    functions = [atom.info for atom in callee if type(atom) is Function]
    for info in functions:
        spec = info.node.args
        parameters = [item.arg for item in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
        owner = info.owner.name.lower() if info.owner is not None else ""
        if keeps_plugins(owner) or any("plugin" in item for item in parameters):
            return given
    if functions or (receiver and not is_open(receiver)):
        return []
    # Nothing is known of who keeps the state: the words of other things' states are mostly written in lower case.
    return [frozenset(atom for atom in value if type(atom) is not Text or atom.text.isupper()) for value in given]


def _is_generated(callee: Value) -> bool:
    """Whether a message of generated code is made."""
    return any(type(atom) is External and "_pb2." in atom.path for atom in callee)


def _is_proto(atom: object) -> bool:
    return type(atom) is Text and atom.text.startswith("PLUGIN_STATE_") and PROTO.fullmatch(atom.text) is not None


def _elements(frame: Frame, arguments: Arguments) -> list[Value]:
    """What a mapping is filled with: the values of what is given, or the value itself."""
    found = [*arguments.positional[1:], *arguments.keywords.values()]
    found.extend(contents(frame, atom) for atom in arguments.at(0) if type(atom) is Container)
    return found


def may_be_wrong(arguments: Arguments) -> bool:
    """Whether an argument that is named or has its place is a word that names no state, a job's status, or may hold
    one.
    """
    for value in (*arguments.positional, *arguments.keywords.values()):
        for atom in value:
            kind = type(atom)
            if kind is Text:
                if is_wrong_word(atom.text):  # type: ignore[union-attr]
                    return True
            elif kind is Instance:
                if not atom.info.traits.isdisjoint(COUNTED) and outcomes_of(value):  # type: ignore[union-attr]
                    return True
            elif kind is Container or atom is Role.STATUS:
                return True
    return False


def _is_job_like(node: ast.expr) -> bool:
    """Whether a method is a job's, whose statuses are not states."""
    if type(node) is not ast.Attribute:
        return False
    owner = last_name(node.value)
    return "job" in owner.lower() or "task" in owner.lower()


def _declared_states(frame: Frame, function: Function, arguments: Arguments) -> list[Value]:
    """The arguments for parameters that are annotated with the state enum."""
    found: list[Value] = []
    for index, name in _state_parameters(frame.engine, function.info):
        place = index - (function.bound is not None)
        if place >= 0:
            found.append(arguments.at(place, name))
        elif index < 0:
            found.append(arguments.keywords.get(name, NOTHING))
    return found


def _state_parameters(engine: Engine, info: FunctionInfo) -> Slots:
    """The parameters of a function that are annotated with the state enum; their places, -1 for keywords alone."""
    known = engine.state_slots.get(info)
    if known is None:
        spec = info.node.args
        given = [*enumerate((*spec.posonlyargs, *spec.args)), *((-1, item) for item in spec.kwonlyargs)]
        noted = [(index, item.arg, item.annotation) for index, item in given if item.annotation is not None]
        known = _slots(engine, info, noted, engine.frame_of_module(info.module))
        owner = info.owner.name.lower() if info.owner is not None else ""
        if keeps_plugins(owner):
            named = tuple((i, item.arg) for i, item in given if is_loose_name(item.arg) and _may_be_word(item))
            known = (*known, *(slot for slot in named if slot not in known))
            if info in engine.state_slots:
                engine.state_slots[info] = known
    return known


def _is_str(annotation: ast.expr) -> bool:
    return type(annotation) is ast.Name and annotation.id == "str"


def _may_be_word(parameter: ast.arg) -> bool:
    """Whether a parameter may be given a word: nothing else is said of it than that it is a string."""
    annotation = parameter.annotation
    return annotation is None or _is_str(annotation)


def state_fields(engine: Engine, info: ClassInfo) -> Slots:
    """The fields of a class that are annotated with the state enum, with their places."""
    known = engine.state_slots.get(info)
    if known is None:
        noted = [
            (index, field, info.annotations[field])
            for index, field in enumerate(info.fields)
            if field in info.annotations
        ]
        known = _slots(engine, info, noted, engine.frame_of_class(info))
        if keeps_state(info.name):
            named = tuple((i, field) for i, field, note in noted if is_loose_name(field) and _is_str(note))
            known = (*known, *named)
            if info in engine.state_slots:
                engine.state_slots[info] = known
    return known


def _slots(
    engine: Engine, info: ClassInfo | FunctionInfo, noted: Iterable[tuple[int, str, ast.expr]], frame: Frame
) -> Slots:
    """Those that are annotated with the state enum; kept once no annotation can turn out to be something else."""
    found, settled = [], True
    for index, name, annotation in noted:
        value = named_class(frame, annotation)
        if is_state_enum(value):
            found.append((index, name))
        settled = settled and not (is_open(value) and isinstance(annotation, NAMING))
    if settled:
        engine.state_slots[info] = tuple(found)
    return tuple(found)
