"""Validators: which functions they are, whether they check anything, whether anybody asks them."""

from __future__ import annotations

import ast

from runward_scanner.finding import Finding
from runward_scanner.flow.paths import Walk
from runward_scanner.inference.classes import find_attribute
from runward_scanner.inference.model import statements_in
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import NOTHING, Class, Function, Instance
from runward_scanner.logging_calls import is_log_call, name_of
from runward_scanner.patterns import Pattern, beginning, ending
from runward_scanner.rules.idle_handlers import quiets
from runward_scanner.rules.overridden import dropped_by
from runward_scanner.walking import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.flow.paths import State
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import FunctionInfo
    from runward_scanner.inference.values import Value

WORDS = ("input", "output", "payload", "result", "request", "encoded", "reply", "response")
CHECK = ("validate_", "check_", "ensure_")
is_input_check = beginning(CHECK, ("", "the_"), ("input", "payload", "request", "image_input"))
is_output_check = beginning(CHECK, ("", "the_", "plugin_"), ("output", "result", "encoded", "reply", "response"))
is_validator_name = beginning(("validate_",), WORDS)
PATCHED = Pattern(rf"(?:^|\.)_*validate_(?:{'|'.join(WORDS)})\w*$")
ASKING = ("validate_", "check_", "verify_", "ensure_", "assert_", "require_", "iter_errors_", "is_valid_")
HARMLESS = frozenset(
    {
        "get", "len", "str", "repr", "bool", "int", "float", "type", "id", "isinstance", "issubclass", "hasattr",
        "getattr", "callable", "print", "any", "all", "dict", "list", "set", "tuple", "sorted", "items", "keys",
        "values", "append", "add", "update", "format", "join", "lower", "upper", "strip", "split", "startswith",
        "endswith", "getLogger",
    }
)  # fmt: skip
"""Functions that a validator asks something by their result, not by what they raise."""
DEEPEST = 4


is_owner_word = ending("validator", "validators")


def is_owner_name(name: str) -> bool:
    """Whether an object or a class is a validator by its name."""
    return is_owner_word(name) or name.endswith("Validator")


def _is_asking(name: str) -> bool:
    """Whether a validator is asked by a method that is named so."""
    asked = name.lstrip("_")
    return name == "__call__" or (f"{asked}_".startswith(ASKING) and asked not in ASKING)


def is_part_name(name: str) -> bool:
    """Whether a private function is a part of a validator by its name."""
    return name.startswith("_") and name.lstrip("_").startswith("validate_") and not name.endswith("_validate_")


def names_validator(node: ast.expr) -> str:
    """The name of the object whose method is called, where it is a validator by its name; else empty."""
    if type(node) is not ast.Attribute or not _is_asking(node.attr):
        return ""
    owner = node.value
    name = owner.attr if type(owner) is ast.Attribute else owner.id if type(owner) is ast.Name else ""
    return name if is_owner_name(name) else ""


def idle(engine: Engine, code: str) -> Iterator[Finding]:
    """Report validators that check nothing."""
    for function in engine.functions.values():
        if (
            function.module.governed
            and is_validator(function)
            and not is_abstract(function)
            and (
                not checks(engine, function)
                or _is_switched(function)
                or dropped_by(engine, function.module, function.node) is not None
            )
        ):
            yield _finding(function, code, f"The validator {function.name} checks nothing")


def _is_switched(function: FunctionInfo) -> bool:
    """Whether a validator ends early on a condition that says nothing of what it validates: a setting, say."""
    if isinstance(function.node, ast.Lambda):
        return False
    local = {node.id for node in walk(function.node) if type(node) is ast.Name and type(node.ctx) is ast.Store}
    local.update(node.arg for node in walk(function.node) if type(node) is ast.arg)
    for item in function.node.body:
        if type(item) is ast.If and type(item.body[-1]) is ast.Return and _is_idle(item.body[-1]):
            named = {node.id for node in walk(item.test) if type(node) is ast.Name}
            if named and named.isdisjoint(local):
                return True
    return False


def unused(engine: Engine, code: str) -> Iterator[Finding]:
    """Report validators beside ToolRunner, and parts of them, that nobody calls."""
    parts = [item for item in engine.functions.values() if _is_part(engine, item) and not is_abstract(item)]
    for function in _never_called(engine, parts):
        if not _mentioned(engine, function):
            yield _finding(function, code, f"The validator {function.name} is never called")


def _never_called(engine: Engine, functions: list[FunctionInfo]) -> list[FunctionInfo]:
    """Those of some functions that no call was seen to call."""
    called = NOTHING.union(*engine.callees.values())
    infos = {atom.info for atom in called if type(atom) is Function}
    return [function for function in functions if function not in infos]


def _finding(function: FunctionInfo, code: str, message: str) -> Finding:
    return Finding(place_of(function.module, function.node), code, message)


def is_validator(function: FunctionInfo) -> bool:
    """Whether a function is a validator by its name, or by its class's."""
    if is_validator_name(function.name):
        return True
    owner = function.owner
    if owner is None or not is_owner_name(owner.name):
        return False
    return function.name in {"validate", "__call__"} or is_part_name(function.name)


def _is_part(engine: Engine, function: FunctionInfo) -> bool:
    """Whether a function is a validator beside ToolRunner, or a part of one."""
    runner = engine.tool_runners[0]
    owner = function.owner
    if owner is None:
        named = is_validator_name(function.name) and function.name.encode() in runner.module.source.data
    else:
        named = is_part_name(function.name) and (is_owner_name(owner.name) or owner is runner)
    return (
        named
        and function.module.governed
        and type(function.node) is not ast.Lambda
        and function.module.folder == runner.module.folder
    )


def _mentioned(engine: Engine, function: FunctionInfo) -> bool:
    """Whether any governed code uses a function's name other than to define or import it."""
    for module in engine.governed:
        if function.name.encode() not in module.source.data:
            continue
        for node in walk(module.tree):
            if type(node) is ast.Constant and node.value == function.name and isinstance(node.value, str):
                return True
            if (type(node) is ast.Name and node.id == function.name) or (
                type(node) is ast.Attribute and node.attr == function.name
            ):
                return True
    return False


def silences(frame: Frame, receiver: Value, name: str, value: Value) -> bool:
    """Whether a write takes a validator out of force: replaces its method, or puts one there that checks nothing."""
    if name in {"validate", "__call__"}:
        owners = [atom.info.name for atom in receiver if (type(atom) is Class or type(atom) is Instance)]
        return any(is_owner_name(owner) for owner in owners)
    if not is_owner_name(name):
        return False
    methods = [
        method.info.node
        for atom in value
        if type(atom) is Instance
        for method in find_attribute(frame.engine, atom.info, "validate", frame.activation)
        if type(method) is Function and not is_abstract(method.info)
    ]
    return any(is_empty(node) and not is_stub(node) for node in methods)


def is_abstract(function: FunctionInfo) -> bool:
    """Whether a function only declares: in a protocol, or marked abstract."""
    if function.owner is not None and "protocol" in function.owner.traits:
        return True
    return not isinstance(function.node, ast.Lambda) and any(
        (type(item) is ast.Name or type(item) is ast.Attribute) and "abstract" in ast.dump(item)
        for item in function.node.decorator_list
    )


def is_stub(node: ast.AST) -> bool:
    """Whether a function's body is ``...`` alone: to be written elsewhere."""
    return (type(node) is ast.FunctionDef or type(node) is ast.AsyncFunctionDef) and all(
        type(item) is ast.Expr and type(item.value) is ast.Constant and item.value.value is Ellipsis
        for item in node.body
    )


def is_empty(node: ast.AST) -> bool:
    """Whether a function's body does nothing: only pass, constants, log calls, returns of constants or names."""
    if type(node) is ast.Lambda:
        return isinstance(node.body, (ast.Constant, ast.Name))
    if type(node) is not ast.FunctionDef and type(node) is not ast.AsyncFunctionDef:
        return False
    for statement in node.body:
        if type(statement) is ast.Return and _is_idle(statement):
            return True  # what follows is never reached
        if not _is_idle(statement):
            return False
    return True


def _is_idle(statement: ast.stmt) -> bool:
    if type(statement) is ast.Return:
        return statement.value is None or isinstance(statement.value, (ast.Constant, ast.Name))
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Delete)):
        targets = statement.targets if not isinstance(statement, ast.AnnAssign) else [statement.target]
        value = getattr(statement, "value", None)
        return all(type(item) is ast.Name for item in targets) and (
            value is None or isinstance(value, (ast.Constant, ast.Name, ast.Attribute))
        )
    return type(statement) is ast.Pass or (
        type(statement) is ast.Expr and (type(statement.value) is ast.Constant or is_log_call(statement.value))
    )


def checks(engine: Engine, function: FunctionInfo, depth: int = 0) -> bool:
    """Whether a validator decides anything: a way through it refuses, or what it returns depends on its input."""
    known = function.refuses.get(depth)
    if known is None:
        known = function.refuses[depth] = _decides(engine, function, depth)
    return known


def _decides(engine: Engine, function: FunctionInfo, depth: int) -> bool:
    if is_empty(function.node):
        return False
    if depth > DEEPEST or isinstance(function.node, ast.Lambda):
        return True
    ways_in = Walk(Refusals(engine, function.node, depth), all_caught=True)
    ways = ways_in.body(function.node.body, frozenset({frozenset[str]()}))
    returns = [node for node in ways_in.visited if type(node) is ast.Return]
    return any("refused" in state for state in ways.raised) or _answers(returns)


def _answers(returns: list[ast.Return]) -> bool:
    """Whether a function's returns tell one input from another."""
    constants = {repr(node.value.value) for node in returns if type(node.value) is ast.Constant}
    computed = (node.value for node in returns if node.value is not None)
    return len(constants) > 1 or any(
        (type(value) is not ast.Constant and type(value) is not ast.Name) for value in computed
    )


class Refusals:
    """What a validator may raise: its own raise, or what it asks. A log call or a look-up refuses nothing."""

    def __init__(self, engine: Engine, validator: ast.AST, depth: int) -> None:
        """Take the validator, and how deep validators asked one another already."""
        self.engine = engine
        self.depth = depth
        self._missing = {
            part
            for node in statements_in(validator)
            if type(node) is ast.If and _asks_for_validator(node.test)
            for part in walk(node)
        }
        """What is raised where there is no validator, which says nothing of the input."""

    def apply(self, node: ast.AST, state: State) -> State:
        """A raise refuses."""
        refuses = (type(node) is ast.Raise or type(node) is ast.Assert) and node not in self._missing
        return state | {"refused"} if refuses else state

    def raised(self, node: ast.AST, state: State) -> State | None:
        """A call refuses where what it calls checks something; where that is not known, unless its name is harmless."""
        if type(node) is not ast.Call or node in self._missing or is_log_call(node) or name_of(node) in HARMLESS:
            return None
        functions = [atom.info for atom in self.engine.callees.get(node, ()) if type(atom) is Function]
        known = [info for info in functions if not is_abstract(info)]
        if known and not any(checks(self.engine, info, self.depth + 1) for info in known):
            return None
        return state | {"refused"}

    def caught(self, handler: ast.ExceptHandler, state: State) -> State:
        """A handler begins as if nothing had been refused."""
        return state - {"refused"}

    def quiets(self, manager: ast.expr) -> bool:
        """``suppress``, or one of the project's that does the same."""
        return type(manager) is ast.Call and quiets(self.engine, manager)


def _asks_for_validator(test: ast.expr) -> bool:
    """Whether a test only asks whether there is a validator."""
    while type(test) is ast.UnaryOp:
        test = test.operand
    if type(test) is ast.Compare:
        test = test.left
    name = test.attr if type(test) is ast.Attribute else test.id if type(test) is ast.Name else ""
    return is_owner_name(name)
