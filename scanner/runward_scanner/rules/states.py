"""What is a plugin's lifecycle state, and which words may be one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from runward_scanner.inference import containers
from runward_scanner.inference.names import role_of_name
from runward_scanner.inference.values import Class, Container, External, Function, Instance, Role, Text, Value, texts
from runward_scanner.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo

STATES = frozenset({"LOADED", "INITIALIZED", "RUNNING", "FAILED", "UNAVAILABLE"})
STATES_OR_NONE = STATES | {""}
OUTCOMES = frozenset({"SUCCESS", "ERROR"})
STATE_NAMES = re.compile(r"_*(?:plugin|lifecycle|plugin_lifecycle)_?state_?")
LOOSE_STATE_NAMES = re.compile(r"_*(?:\w+_)?state_?")
SETTERS = re.compile(
    r"_*(?:set|update|change|mark|transition|move|write|store|save|record|publish|force|assign|put|enter|to|switch|advance)"
    r"_(?:to_|the_)?(?:plugin_|lifecycle_)*state(?:_to|_of|_for)?|_*(?:transition|transition_to)"
)
PROTO = re.compile(r"PLUGIN_STATE_([A-Z]+)")
ENUM_OWN = frozenset({"__members__", "name", "value", "_ignore_", "_generate_next_value_", "_missing_", "_order_"})


def is_word(text: str) -> bool:
    """Whether a string could name a state: one word in one case."""
    return text.isidentifier() and (text.isupper() or text.islower())


def wrong(text: str) -> bool:
    """Whether a word names no lifecycle state."""
    return text.upper().removeprefix("PLUGIN_STATE_") not in STATES_OR_NONE


def is_outcome(text: str) -> bool:
    """Whether a word is a metrics outcome."""
    return text.upper().removeprefix("PLUGIN_STATE_") in OUTCOMES


def is_state_enum(value: Iterable[object]) -> bool:
    """Whether a value may be the enum of lifecycle states."""
    for atom in value:  # noqa: SIM110 - a generator takes twice the time, and this is asked of every attribute
        if atom is Role.STATE_ENUM or (atom.__class__ is Class and "state" in atom.info.traits):
            return True
    return False


def is_state(value: Value) -> bool:
    """Whether a value may be a lifecycle state."""
    return any(atom is Role.STATE or (isinstance(atom, Instance) and "state" in atom.info.traits) for atom in value)


def is_status_enum(value: Value) -> bool:
    """Whether a value may be the enum of job statuses."""
    return any(atom is Role.STATUS_ENUM or (isinstance(atom, Class) and "status" in atom.info.traits) for atom in value)


def is_plugin_like(value: Value) -> bool:
    """Whether a value may be a plugin or what keeps its state."""
    return any(
        atom in {Role.PLUGIN, Role.PLUGIN_CLASS, Role.REGISTRY}
        or (isinstance(atom, (Instance, Class)) and ("plugin" in atom.info.traits or _keeps_state(atom.info.name)))
        for atom in value
    )


def _keeps_state(name: str) -> bool:
    low = name.lower()
    return "plugin" in low and not low.endswith(("service", "servicer", "error", "job"))


class StateReading(Rule):
    """Finds words that stand where a lifecycle state stands, for the rules that say what is wrong with them."""

    def says(self, word: str) -> tuple[str, str]:
        """The code and the message for a word."""
        raise NotImplementedError

    def check(self, frame: Frame, node: ast.AST, words: Iterable[str]) -> None:
        """Report the words that are wrong, one for each rule."""
        reported = set()
        for word in words:
            if wrong(word) and is_word(word):
                code, message = self.says(word)
                if code not in reported:
                    reported.add(code)
                    frame.report(code, node, message)

    # -- the enum ------------------------------------------------------------------------------------------------------

    def on_attribute(self, frame: Frame, node: ast.AST, receiver: Value, name: str, result: Value) -> None:
        """``PluginState.NAME``, and constants of the API's enum."""
        if is_state_enum(receiver):
            own = name in ENUM_OWN or name.startswith("_") or any(isinstance(atom, Function) for atom in result)
            if not own and not _is_method(receiver, name):
                self.check(frame, node, [name])
        elif name.startswith("PLUGIN_STATE_") and (match := PROTO.fullmatch(name)):
            generated = match[1] != "UNSPECIFIED" and _is_generated(receiver)
            self.check(frame, node, [match[1]] if generated or match[1] in OUTCOMES else [])

    def on_member(self, frame: Frame, node: ast.AST, owner: Value, index: Value) -> None:
        """``PluginState["NAME"]`` and ``PluginState("value")``."""
        if is_state_enum(owner):
            self.check(frame, node, texts(index))

    def on_class(self, frame: Frame, info: ClassInfo) -> None:
        """The members of the enum, or of another that is made of its words."""
        members = list(_members(info))
        lifecycle = {name for name, _, _ in members} & STATES
        if "state" not in info.traits and not ({"INITIALIZED", "UNAVAILABLE"} <= lifecycle or len(lifecycle) >= 4):
            return
        for name, node, value in members:
            written = texts(frame.engine.heap.read((info, name), None)) if isinstance(value, ast.expr) else []
            self.check(frame, node, [name, *written] if wrong(name) else written)

    def on_enum(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """``Enum("PluginState", …)``."""
        if not any(name in frame.engine.settings.state_classes for name in texts(arguments.at(0))):
            return
        names: list[str] = []
        for text in texts(arguments.at(1, "names")):
            names.extend(text.replace(",", " ").split())
        for atom in arguments.at(1, "names"):
            if isinstance(atom, Container):
                held = containers.elements(frame, frozenset({atom}), node)
                names.extend(texts(held))
                for pair in held:
                    names.extend(texts(containers.item(frame, frozenset({pair}), frozenset(), node, 0)))
        self.check(frame, node, names)

    # -- where a state stands ------------------------------------------------------------------------------------------

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """``plugin.state = …``, ``plugin_state = …``, ``PluginState.NAME = …``."""
        if receiver is None:
            if STATE_NAMES.fullmatch(name.lower()):
                self.check(frame, node, texts(value))
            return
        if is_state_enum(receiver):
            self.check(frame, node, [name])
        elif self._is_state_slot(frame, receiver, name):
            self.check(frame, node, [*texts(value), *self._status_words(frame, node, value)])

    def _is_state_slot(self, frame: Frame, receiver: Value, name: str) -> bool:
        if STATE_NAMES.fullmatch(name):
            return True
        if not LOOSE_STATE_NAMES.fullmatch(name):
            return False
        if is_plugin_like(receiver):
            return True
        return any(
            isinstance(atom, (Instance, Class))
            and is_state(frame.engine.heap.cells.get((atom.info, name), frozenset()))
            for atom in receiver
        )

    def _status_words(self, frame: Frame, node: ast.AST, value: Value) -> list[str]:
        """A job status that stands where a lifecycle state belongs."""
        if any(atom is Role.STATUS or (isinstance(atom, Instance) and "status" in atom.info.traits) for atom in value):
            return sorted(OUTCOMES)[1:]
        return []

    def on_compare(self, frame: Frame, node: ast.AST, operands: list[ast.expr], values: list[Value]) -> None:
        """A state compared with a word, or looked for among words."""
        states = any(is_state(value) for value in values)
        if not states and not any(self._reads_state(frame, operand) for operand in operands):
            return
        for operand, value in zip(operands[-len(values) :], values[-len(operands) :], strict=True):
            words = list(texts(value))
            for atom in value:
                if isinstance(atom, Container):
                    words.extend(texts(containers.contents(frame, atom)))
            if isinstance(operand, ast.Attribute) and is_status_enum(frame.engine.receivers.get(operand, frozenset())):
                words.append(operand.attr)
            self.check(frame, operand, words)

    def _reads_state(self, frame: Frame, node: ast.expr) -> bool:
        """Whether an expression reads a lifecycle state, by what it is read from."""
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Attribute) and node.func.attr in {
                "get_state",
                "state_of",
                "get_plugin_state",
            }
        if isinstance(node, ast.Name):
            return STATE_NAMES.fullmatch(node.id) is not None
        if isinstance(node, ast.Attribute):
            if node.attr in {"name", "value"}:
                return self._reads_state(frame, node.value) or is_state(frame.engine.receivers.get(node, frozenset()))
            if STATE_NAMES.fullmatch(node.attr):
                return True
            owner = (
                node.value.id
                if isinstance(node.value, ast.Name)
                else node.value.attr
                if isinstance(node.value, ast.Attribute)
                else ""
            )
            named = role_of_name(owner) is Role.PLUGIN
            return node.attr in {"state", "_state"} and (
                named or is_plugin_like(frame.engine.receivers.get(node, frozenset()))
            )
        return False

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """Words handed to what takes a state."""
        if not _may_be_wrong(arguments.positional) and not _may_be_wrong(arguments.keywords.values()):
            return
        name = (
            node.func.attr
            if isinstance(node.func, ast.Attribute)
            else node.func.id
            if isinstance(node.func, ast.Name)
            else ""
        )
        receiver = frame.engine.receivers.get(node.func, frozenset())
        handed: list[Value] = []
        if SETTERS.fullmatch(name) and not _is_job_like(node.func):
            handed.extend(
                [
                    *arguments.positional[-1:],
                    *(v for k, v in arguments.keywords.items() if k.endswith("state") or k == "to"),
                ]
            )
        handed.extend(value for keyword, value in arguments.keywords.items() if STATE_NAMES.fullmatch(keyword))
        if is_state_enum(receiver) or (name == "extend_enum" and is_state_enum(arguments.at(0))):
            handed.extend(arguments.positional)
        handed.extend(_declared_states(frame, callee, arguments))
        handed.extend(self._handed_by_name(frame, name, arguments))
        for value in handed:
            self.check(frame, node, [*texts(value), *self._status_words(frame, node, value)])

    def _handed_by_name(self, frame: Frame, name: str, arguments: Arguments) -> list[Value]:
        """What ``Value("PLUGIN_STATE_…")`` of the API's enum and ``replace(entry, state=…)`` are given."""
        if name == "Value":
            return [value for value in arguments.positional if any(map(PROTO.fullmatch, texts(value)))]
        state = arguments.keywords.get("state")
        if name != "replace" or state is None or not self._is_state_slot(frame, arguments.at(0), "state"):
            return []
        return [state]

    def on_match(self, frame: Frame, node: ast.Match, subject: Value) -> None:
        """A state matched against words."""
        if is_state(subject) or self._reads_state(frame, node.subject):
            for case in node.cases:
                for part in ast.walk(case.pattern):
                    if isinstance(part, ast.MatchValue):
                        self.check(frame, part.value, texts(frame.value(part.value)))

    def on_item(self, frame: Frame, node: ast.AST, receiver: Value, index: Value, value: Value) -> None:
        """``record["plugin_state"] = …``."""
        if any(STATE_NAMES.fullmatch(text) for text in texts(index)):
            self.check(frame, node, texts(value))
        elif isinstance(node, ast.Subscript) and isinstance(node.value, (ast.Name, ast.Attribute)):
            held = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if re.fullmatch(r"_*(?:plugin|lifecycle)_?states|_*states", held):
                self.check(frame, node, [*texts(value), *self._status_words(frame, node, value)])

    def on_dict(self, frame: Frame, node: ast.Dict) -> None:
        """``{"plugin_state": …}``."""
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                loose = (
                    key.value == "state"
                    and "plugin" in keys
                    and not any("job" in other or other == "status" for other in keys)
                )
                if loose or STATE_NAMES.fullmatch(key.value):
                    self.check(frame, value, texts(frame.value(value)))

    def on_return(self, frame: Frame, node: ast.Return, value: Value) -> None:
        """A word returned by what is declared to give a state."""
        function = frame.function.node if frame.function is not None else None
        if (
            isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            and function.returns is not None
            and texts(value)
        ) and is_state_enum(_named(frame, function.returns)):
            self.check(frame, node, texts(value))


def _is_generated(receiver: Value) -> bool:
    """Whether a value is a module or an enum that protoc made."""
    return any(isinstance(atom, External) and "_pb2" in atom.path for atom in receiver)


def _may_be_wrong(values: Iterable[Value]) -> bool:
    """Whether a value holds a word that names no state, or a job's status."""
    for value in values:
        for atom in value:
            kind = atom.__class__
            if kind is Text:
                if is_word(atom.text) and wrong(atom.text):  # type: ignore[union-attr]
                    return True
            elif atom is Role.STATUS or (kind is Instance and "status" in atom.info.traits):  # type: ignore[union-attr]
                return True
    return False


def _is_job_like(node: ast.expr) -> bool:
    """Whether a method is a job's, whose statuses are not states."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = (
        node.value.id
        if isinstance(node.value, ast.Name)
        else node.value.attr
        if isinstance(node.value, ast.Attribute)
        else ""
    )
    return "job" in owner.lower() or "task" in owner.lower()


def _declared_states(frame: Frame, callee: Value, arguments: Arguments) -> list[Value]:
    """The arguments for parameters that are annotated with the state enum."""
    found: list[Value] = []
    for atom in callee:
        if not isinstance(atom, Function):
            continue
        spec = atom.info.node.args
        parameters = [*spec.posonlyargs, *spec.args]
        if atom.bound is not None and parameters:
            parameters = parameters[1:]
        for index, parameter in enumerate(parameters):
            if parameter.annotation is not None and is_state_enum(_named(frame, parameter.annotation)):
                found.append(arguments.at(index, parameter.arg))
        found.extend(
            arguments.keywords.get(parameter.arg, frozenset())
            for parameter in spec.kwonlyargs
            if parameter.annotation is not None and is_state_enum(_named(frame, parameter.annotation))
        )
    return found


def _named(frame: Frame, node: ast.expr) -> Value:
    """The class that a plain annotation names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        return frame.lookup(node.value)
    return frame.value(node) if isinstance(node, (ast.Name, ast.Attribute)) else frozenset()


def _members(info: ClassInfo) -> Iterator[tuple[str, ast.AST, ast.expr | None]]:
    """The names that an enum's body assigns."""
    for statement in info.node.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(name, ast.Name) and not name.id.startswith("_"):
                        yield name.id, statement, statement.value
        elif (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value is not None
        ):
            yield statement.target.id, statement, statement.value


def _is_method(receiver: Value, name: str) -> bool:
    """Whether a class of the receiver defines a method of that name."""
    return any(
        isinstance(atom, Class)
        and any(
            isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name == name
            for item in atom.info.node.body
        )
        for atom in receiver
    ) or (name.islower() and name not in {"success", "error"})
