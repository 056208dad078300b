"""``def`` and ``class``."""

from __future__ import annotations

from runward_scanner.inference.arguments import Arguments
from runward_scanner.inference.classes import descendants, traits_of
from runward_scanner.inference.frame import Frame
from runward_scanner.inference.functions import make_function
from runward_scanner.inference.model import ClassInfo
from runward_scanner.inference.values import Class, External, Function, Method, Value, is_open, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

KINDS = {
    "builtins.staticmethod": "static",
    "builtins.classmethod": "class",
    "builtins.property": "property",
    "functools.cached_property": "property",
    "abc.abstractproperty": "property",
}


def define_function(frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """A function, as its decorators leave it."""
    engine = frame.engine
    spec, written, name = node.args, node.decorator_list, node.name
    for default in (*spec.defaults, *spec.kw_defaults):
        if default is not None:
            engine.default_values[default] = frame.value(default)
    decorators = [(item, frame.value(item)) for item in written] if written else []
    kind = _kind(decorators) if decorators else "function"
    for _, made in decorators:
        if any(type(atom) is Method and atom.name in {"setter", "deleter"} for atom in made):
            return
    function = make_function(frame, node, name)
    if kind != "function":
        function.info.kind = kind
    value: Value = one(function)
    for item, decorator in reversed(decorators):
        if any(type(atom) is External and atom.path in KINDS for atom in decorator):
            continue
        result = frame.call(decorator, Arguments([value]), item)
        if not is_open(result) and any(
            (type(atom) is Function or type(atom) is Class) or atom not in value for atom in result
        ):
            value |= frozenset(atom for atom in result if type(atom).__name__ not in {"Role", "Thing"})
    frame.bind(name, value, node)


def _kind(decorators: list[tuple[ast.expr, Value]]) -> str:
    """What decorators make of a function."""
    atoms = (atom for _, value in decorators for atom in value)
    return next((KINDS[a.path] for a in atoms if type(a) is External and a.path in KINDS), "function")


def define_class(frame: Frame, node: ast.ClassDef) -> None:
    """A class: its bases, its body, what its decorators do with it."""
    engine = frame.engine
    bases = [frame.value(base) for base in node.bases]
    info = engine.classes.get(node)
    known = info is not None
    if info is None:
        outer = frame.inside
        prefix = (
            f"{frame.class_info.qualname}."
            if frame.class_info
            else f"{frame.function.qualname}."
            if frame.function
            else ""
        )
        info = ClassInfo(
            frame.module,
            node,
            node.name,
            prefix + node.name,
            outer=outer,
            in_function=frame.activation.function is not None,
        )
        engine.classes[node] = info
    if info.bases != bases:
        info.bases = bases
        for derived in (info, *descendants(info)):
            derived.line = None
        if known:
            engine.class_changed()
    for keyword in node.keywords:
        info.keywords[keyword.arg or "**"] = frame.value(keyword.value)
    for base in bases:
        for atom in base:
            if type(atom) is Class and info not in atom.info.subclasses and atom.info is not info:
                atom.info.subclasses.append(info)
                engine.forget_derived()
    traits = traits_of(engine, info)
    if traits != info.traits:
        info.traits = traits
        if known:
            engine.class_changed()
    _read_body(frame, info, node)
    engine.hook_class(frame, info)
    value: Value = info.itself
    for item in reversed(node.decorator_list):
        decorator = frame.value(item)
        info.decorators.update(atom.path for atom in decorator if type(atom) is External)
        given = frame.call(decorator, Arguments([value]), item)
        value |= frozenset(atom for atom in given if type(atom) is Class)
    frame.bind(node.name, value, node)
    _tell_bases(frame, info, node)


def _read_body(frame: Frame, info: ClassInfo, node: ast.ClassDef) -> None:
    """Read a class body: it sees the names around it, and what it binds are the class's attributes."""
    frame.capture(node)
    body = Frame(frame.engine, frame.activation, info)
    body.inside = (info, *frame.inside)
    body.function = None
    frame.engine.class_frames[info] = body
    body.execute(node.body)


def _tell_bases(frame: Frame, info: ClassInfo, node: ast.ClassDef) -> None:
    """A base may act on its subclasses in ``__init_subclass__``."""
    for base in info.bases:
        for atom in base:
            if type(atom) is Class:
                hooks = frame.attribute(one(atom), "__init_subclass__", node)
                for hook in hooks:
                    if type(hook) is Function:
                        given = {key: value for key, value in info.keywords.items() if key not in {"metaclass", "**"}}
                        told = Function(hook.info, hook.closure, info.itself)
                        frame.call(one(told), Arguments([], given), node)
