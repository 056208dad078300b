"""Abstract values: a value is the set of atoms that an expression may be.

The empty set means "nothing known yet"; UNKNOWN "anything"; OPAQUE "known, and of no interest" (a number, None, bytes).
Atoms are compared by content, except those that stand for a place in the code. They are named tuples, for those are
made, hashed and compared quickest; the tag keeps atoms of different kinds apart.
"""

from __future__ import annotations

import functools
from enum import Enum

from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from typing import TypeAlias

    from runward_scanner.inference.model import Activation, ClassInfo, FunctionInfo, ModuleInfo


class Role(Enum):
    """What a name, an annotation or a look-up says of a value whose definition is not in sight."""

    UNKNOWN = "anything"
    OPAQUE = "of no interest"
    PLUGIN = "a plugin"
    PLUGIN_CLASS = "a plugin class"
    PLUGINS = "a container of plugins"
    REGISTRY = "a plugin registry"
    TOOL_RUNNER = "a ToolRunner"
    TOOL_RUNNER_CLASS = "the class ToolRunner"
    ANALYSIS_SERVICE = "an AnalysisExecutionService"
    JOB_SERVICE = "a JobExecutionService"
    PLUGIN_SERVICE = "a PluginExecutionService"
    STATE_ENUM = "the plugin state enum"
    STATE = "a plugin state"
    STATUS_ENUM = "the job status enum"
    STATUS = "a job status"
    EXCEPTION = "an exception"
    EXCEPTION_TEXT = "an exception's text"
    TRACEBACK = "a traceback"
    FAULT = "an exception of no particular class"
    FAULT_TEXT = "the text of an exception of no particular class"
    ENTRY_POINTS = "entry points of plugins"
    COMPUTED = "a computed string"

    __hash__ = object.__hash__  # members are singletons; Enum's own hash is written in Python and slow


class Text(NamedTuple):
    """A string that is known."""

    text: str
    tag: str = "Text"


class Module(NamedTuple):
    """A module among the files scanned."""

    info: ModuleInfo
    tag: str = "Module"


class Class(NamedTuple):
    """A class among the files scanned."""

    info: ClassInfo
    tag: str = "Class"


class Instance(NamedTuple):
    """An instance of a class among the files scanned; not exact: perhaps of a subclass."""

    info: ClassInfo
    exact: bool = False
    tag: str = "Instance"


class Function(NamedTuple):
    """A function or lambda among the files scanned, with the activation it closes over and what it is bound to."""

    info: FunctionInfo
    closure: Activation | None
    bound: Value | None = None
    tag: str = "Function"


class External(NamedTuple):
    """A module, class or function that is not among the files scanned, by its full name."""

    path: str
    tag: str = "External"


class Thing(NamedTuple):
    """What calling an External gave, made at ``site``; it may give out what was put in."""

    path: str
    site: ast.AST | None
    activation: Activation | None
    tag: str = "Thing"


class Container(NamedTuple):
    """A list, tuple, set, dict or generator made at ``site``; its elements lie in the heap."""

    kind: str
    site: ast.AST
    activation: Activation | None
    tag: str = "Container"


class Method(NamedTuple):
    """A method of something that is not a class among the files scanned."""

    receiver: Atom
    name: str
    tag: str = "Method"


class PluginRun(NamedTuple):
    """A plugin's ``run``, obtained; ``reported`` where getting hold of it was a finding already."""

    reported: bool
    bound: bool = True
    tag: str = "PluginRun"


class Partial(NamedTuple):
    """``functools.partial``: the function and the arguments held."""

    function: Value
    positional: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]
    tag: str = "Partial"


class MethodCaller(NamedTuple):
    """``operator.methodcaller``."""

    name: str
    positional: tuple[Value, ...]
    tag: str = "MethodCaller"


class AttrGetter(NamedTuple):
    """``operator.attrgetter`` or ``itemgetter``."""

    names: tuple[str, ...]
    item: bool = False
    tag: str = "AttrGetter"


class Super(NamedTuple):
    """``super()``: the class whose bases are meant, and what it is bound to."""

    info: ClassInfo
    bound: Value
    tag: str = "Super"


class Namespace(NamedTuple):
    """``vars(x)`` or ``x.__dict__``."""

    owner: Value
    tag: str = "Namespace"


class Globals(NamedTuple):
    """``globals()`` of a module."""

    info: ModuleInfo
    tag: str = "Globals"


Atom: TypeAlias = (
    Role
    | Text
    | Module
    | Class
    | Instance
    | Function
    | External
    | Thing
    | Container
    | Method
    | PluginRun
    | Partial
    | MethodCaller
    | AttrGetter
    | Super
    | Namespace
    | Globals
)
Value: TypeAlias = frozenset[Atom]

UNKNOWN_ROLE = Role.UNKNOWN
OPAQUE_ROLE = Role.OPAQUE
COMPUTED_ROLE = Role.COMPUTED
PLUGIN_ROLE = Role.PLUGIN
"""Members that are asked for with nearly every expression; looking one up in its enum takes ten times as long."""
INSTANCES = {
    Role.PLUGIN_CLASS: Role.PLUGIN,
    Role.TOOL_RUNNER_CLASS: Role.TOOL_RUNNER,
    Role.STATE_ENUM: Role.STATE,
    Role.STATUS_ENUM: Role.STATUS,
}
"""What instances of classes with a role are."""
PLUGIN_ROLES = frozenset({Role.PLUGIN, Role.PLUGIN_CLASS})
ENUM_ROLES = frozenset({Role.STATE_ENUM, Role.STATUS_ENUM})
HOLDING_ROLES = frozenset({Role.PLUGINS, Role.REGISTRY})
TEXT_ROLES = frozenset({Role.EXCEPTION_TEXT, Role.FAULT_TEXT, Role.TRACEBACK})
KEEPING_ROLES = frozenset({Role.REGISTRY, Role.PLUGINS, Role.ENTRY_POINTS})
NOTHING: Value = frozenset()
UNKNOWN: Value = frozenset({UNKNOWN_ROLE})
OPAQUE: Value = frozenset({OPAQUE_ROLE})


WIDEST = 20
"""How many atoms a value has one by one; past that, those that no rule asks for become one."""


def bounded(value: Value) -> Value:
    """The value, widened where it has too many atoms."""
    return value if len(value) <= WIDEST else widened(value)


def widened(value: Value) -> Value:
    """The same value with the atoms that carry nothing to a rule made one: strings computed, the rest opaque."""
    kept: set[Atom] = set()
    functions: list[Function] = []
    for atom in value:
        kind = type(atom)
        if kind is Text:
            kept.add(COMPUTED_ROLE)
        elif kind in PASSING or (kind in MANY and "plugin" not in atom.info.traits):  # type: ignore[union-attr]
            kept.add(OPAQUE_ROLE)
        elif kind is Function:
            functions.append(atom)  # type: ignore[arg-type]
        else:
            kept.add(atom)
    if len(functions) > MOST_FUNCTIONS:
        functions.sort(key=lambda atom: (str(atom.info.module.path), atom.info.node.lineno, atom.info.node.col_offset))
        del functions[MOST_FUNCTIONS:]
    return frozenset(kept.union(functions))


PASSING = frozenset({Thing, Method, Container, Partial, External, Namespace})
MANY = frozenset({Instance, Class})
MOST_FUNCTIONS = 64


def one(atom: Atom) -> Value:
    """The value that is this atom alone."""
    return frozenset((atom,))


@functools.lru_cache(maxsize=4096)
def text_value(text: str) -> Value:
    """The value that is this string."""
    return frozenset((Text(text),))


def bytes_value(data: bytes) -> Value:
    """The value that is these bytes: where they are few, the string that they could be decoded to."""
    return frozenset((Text(data.decode("latin-1")),)) if len(data) < 40 else OPAQUE


@functools.lru_cache(maxsize=4096)
def external(path: str) -> Value:
    """The value that is this name of elsewhere."""
    return frozenset((External(path),))


@functools.lru_cache(maxsize=4096)
def idle_thing(path: str) -> Value:
    """The value that is an object of a class of elsewhere into which nothing was put."""
    return frozenset((Thing(path, None, None),))


def texts(value: Value) -> list[str]:
    """The strings that a value may be, as far as they are known, in order."""
    found: list[str] = []
    for atom in value:
        if type(atom) is Text:
            found.append(atom.text)  # noqa: PERF401 - a comprehension takes longer for few atoms
    if len(found) > 1:
        found.sort()
    return found


def is_open(value: Value) -> bool:
    """Whether a value may be something that is not among its atoms."""
    return not value or UNKNOWN_ROLE in value


def is_text(atom: Atom) -> bool:
    """Whether an atom is a string that is known."""
    return type(atom) is Text


def is_inert(atom: Atom) -> bool:
    """Whether nothing can be learnt from an atom, now or later: it holds nothing and no rule asks for it."""
    kind = type(atom)
    if kind is Thing:
        return atom.site is None  # type: ignore[union-attr]
    if kind is Method:
        return is_inert(atom.receiver)  # type: ignore[union-attr]
    return atom is OPAQUE_ROLE


def is_prose(atom: Atom) -> bool:
    """Whether an atom is a string that names nothing: it has a blank in it."""
    return type(atom) is Text and " " in atom.text
