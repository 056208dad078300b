"""Reading for lifecycle states: every place where one stands, and the words found there."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from types import MappingProxyType

from runward_scanner.finding import Finding
from runward_scanner.inference import containers
from runward_scanner.inference.attention import always
from runward_scanner.inference.names import role_of_name
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import Class, Container, External, Function, Instance, Role, Text, Value, texts
from runward_scanner.rule import Rule
from runward_scanner.rules.state_declarations import declared
from runward_scanner.rules.state_places import is_generated, is_method, listed, looks_for_member, patterns_at
from runward_scanner.rules.state_setting import FILLERS, handed_states, may_be_wrong, state_fields
from runward_scanner.rules.state_words import (
    ENUM_OWN,
    OUTCOMES,
    PLUGIN,
    PROTO,
    STATE_ENUM,
    STATES,
    STATUS,
    holds_states,
    is_counted,
    is_loose_name,
    is_plugin_like,
    is_state,
    is_state_enum,
    is_state_name,
    is_status_enum,
    is_word,
    is_wrong_word,
    keeps_state,
    last_name,
    makes_lifecycle,
    members,
    named_class,
    outcomes_of,
    wrong,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.attention import Minded
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo

TEXT: Value = frozenset({External("builtins.str")})
GETTERS = frozenset({"get_state", "state_of", "get_plugin_state"})


STATES_HELD_BY: Minded = MappingProxyType(
    {
        Class: lambda settings, atom: "state" in atom.info.traits,
        Role: lambda settings, atom: atom is STATE_ENUM,
    }
)


class StateReading(Rule, ABC):
    """Finds words that stand where a lifecycle state stands, for the rules that say what is wrong with them."""

    attributes_of = STATES_HELD_BY
    calls_given = MappingProxyType(
        {
            Text: lambda settings, atom: is_wrong_word(atom.text),
            Instance: lambda settings, atom: is_counted(atom.info),
            Role: lambda settings, atom: atom is STATUS,
        }
    )
    calls_named = FILLERS
    """What fills mappings, perhaps from another one."""
    stores_of = MappingProxyType({Container: always})
    stores_to = MappingProxyType({**STATES_HELD_BY, Instance: always})
    returns_of = MappingProxyType({Text: always})

    def minds_attribute(self, name: str) -> bool:
        """Constants of the API's enum."""
        return name.startswith("PLUGIN_STATE_")

    def minds_store(self, name: str) -> bool:
        """What keeps a state."""
        low = name.lower()
        return "state" in low and (is_state_name(low) or is_loose_name(name))

    @abstractmethod
    def says(self, word: str) -> tuple[str, str]:
        """The code and the message for a word."""

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
            own = name in ENUM_OWN or name.startswith("_") or any(type(atom) is Function for atom in result)
            if not own and not is_method(receiver, name):
                self.check(frame, node, [name])
        elif name.startswith("PLUGIN_STATE_") and (match := PROTO.fullmatch(name)):
            generated = match[1] != "UNSPECIFIED" and is_generated(receiver)
            self.check(frame, node, [match[1]] if generated or match[1] in OUTCOMES else [])

    def on_member(self, frame: Frame, node: ast.AST, owner: Value, index: Value) -> None:
        """``PluginState["NAME"]`` and ``PluginState("value")``."""
        if is_state_enum(owner):
            self.check(frame, node, texts(index))

    def on_class(self, frame: Frame, info: ClassInfo) -> None:
        """The members of the enum, or of another that is made of its words."""
        own = list(members(info))
        lifecycle = {name for name, _, _ in own} & STATES
        if "plugin" in info.traits:
            for name, node, _ in own:
                if is_loose_name(name):
                    self.check(frame, node, texts(frame.engine.heap.read(info, name, None)))
            return
        if "state" not in info.traits and not makes_lifecycle(lifecycle):
            return
        known = {name for name, _, _ in own}
        for name in frame.engine.heap.names_of(info):
            if name.isupper() and not name.startswith("_") and name not in known:
                origin = frame.engine.heap.origin(info, name)
                self.check(frame, origin[1] if origin is not None else info.node, [name])
        for name, node, value in own:
            written = texts(frame.engine.heap.read(info, name, None)) if isinstance(value, ast.expr) else []
            self.check(frame, node, [name, *written] if wrong(name) else written)

    def on_enum(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """``Enum("PluginState", …)``."""
        if not any(name in frame.engine.settings.state_classes for name in texts(arguments.at(0, "value"))):
            return
        names: list[str] = []
        for text in texts(arguments.at(1, "names")):
            names.extend(text.replace(",", " ").split())
        for atom in arguments.at(1, "names"):
            if type(atom) is Container:
                held = containers.elements(frame, frozenset({atom}), node)
                names.extend(texts(held))
                for pair in held:
                    if isinstance(pair, Text):
                        continue
                    names.extend(texts(containers.item(frame, frozenset({pair}), frozenset(), node, 0)))
        self.check(frame, node, names)

    # -- where a state stands ------------------------------------------------------------------------------------------

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """``plugin.state = …``, ``plugin_state = …``, ``PluginState.NAME = …``."""
        if receiver is None:
            held = [word for atom in value if type(atom) is Container for word in listed(frame, atom, 2)]
            self.check(frame, node, [*(texts(value) if is_state_name(name.lower()) else []), *held])
            return
        if is_state_enum(receiver):
            self.check(frame, node, [name])
        elif self._is_state_slot(frame, receiver, name):
            self.check(frame, node, [*texts(value), *outcomes_of(value)])

    def _is_state_slot(self, frame: Frame, receiver: Value, name: str) -> bool:
        if is_state_name(name):
            return True
        for atom in receiver:
            if type(atom) is Instance and name in atom.info.annotations:
                declared = named_class(frame.engine.frame_of_class(atom.info), atom.info.annotations[name])
                return is_state_enum(declared) or (
                    declared == TEXT and is_loose_name(name) and keeps_state(atom.info.name)
                )
        if not is_loose_name(name):
            return False
        if is_plugin_like(receiver):
            return True
        return any(
            (type(atom) is Instance or type(atom) is Class) and is_state(frame.engine.heap.peek(atom.info, name))
            for atom in receiver
        )

    def on_compare(self, frame: Frame, node: ast.AST, operands: list[ast.expr], values: list[Value]) -> None:
        """A state compared with a word, or looked for among words."""
        for value in values:
            if is_state(value):
                break
        else:
            for operand in operands:
                if type(operand) is not ast.Constant and self._reads_state(frame, operand):
                    break
            else:
                if not looks_for_member(frame):
                    return
        for operand, value in zip(operands[-len(values) :], values[-len(operands) :], strict=True):
            words = list(texts(value))
            for atom in value:
                if type(atom) is Container:
                    words.extend(texts(containers.contents(frame, atom)))
            if type(operand) is ast.Attribute and is_status_enum(frame.engine.receivers.get(operand, frozenset())):
                words.append(operand.attr)
            self.check(frame, operand, words)

    def _reads_state(self, frame: Frame, node: ast.expr) -> bool:
        """Whether an expression reads a lifecycle state, by what it is read from."""
        if type(node) is ast.Subscript:
            return holds_states(frame, node.value)
        if type(node) is ast.Call:
            if type(node.func) is not ast.Attribute:
                shown = type(node.func) is ast.Name and node.func.id in {"str", "repr"} and len(node.args) == 1
                return shown and (self._reads_state(frame, node.args[0]) or is_state(frame.value(node.args[0])))
            if node.func.attr == "get" and holds_states(frame, node.func.value):
                return True
            cased = node.func.attr in {"lower", "upper", "casefold", "strip"}
            return node.func.attr in GETTERS or (cased and self._reads_state(frame, node.func.value))
        if type(node) is ast.Name:
            return is_state_name(node.id)
        if type(node) is ast.Attribute:
            if node.attr in {"name", "value"}:
                return self._reads_state(frame, node.value) or is_state(frame.engine.receivers.get(node, frozenset()))
            if is_state_name(node.attr):
                return True
            named = role_of_name(last_name(node.value)) is PLUGIN
            return node.attr in {"state", "_state"} and (
                named or is_plugin_like(frame.engine.receivers.get(node, frozenset()))
            )
        return False

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """Words handed to what takes a state."""
        if (arguments.rest or arguments.mapping) and not may_be_wrong(arguments):
            return
        handed = handed_states(frame, node, callee, arguments)
        state = arguments.keywords.get("state") if arguments.keywords else None
        if (
            state is not None
            and last_name(node.func) == "replace"
            and self._is_state_slot(frame, arguments.at(0), "state")
        ):
            handed.append(state)
        for value in handed:
            self.check(frame, node, [*texts(value), *outcomes_of(value)])

    def on_construct(self, frame: Frame, node: ast.AST, info: ClassInfo, arguments: Arguments) -> None:
        """Words for the fields of a class that are annotated as a state."""
        for index, field in state_fields(frame.engine, info):
            value = arguments.at(index, field)
            self.check(frame, node, [*texts(value), *outcomes_of(value)])

    def finish(self, engine: Engine) -> Iterator[Finding]:
        """Words that are written where a state is declared."""
        for module, node, words in declared(engine):
            for word in words:
                if wrong(word) and is_word(word):
                    code, message = self.says(word)
                    yield Finding(place_of(module, node), code, message)

    def on_match(self, frame: Frame, node: ast.Match, subject: Value) -> None:
        """A state matched against words."""
        if is_state(subject) or self._reads_state(frame, node.subject):
            for case in node.cases:
                for part in ast.walk(case.pattern):
                    if type(part) is ast.MatchValue:
                        self.check(frame, part.value, texts(frame.value(part.value)))
        elif type(node.subject) is ast.Tuple:
            for index, element in enumerate(node.subject.elts):
                if self._reads_state(frame, element) or is_state(frame.value(element)):
                    for part in patterns_at(node, index):
                        self.check(frame, part.value, texts(frame.value(part.value)))

    def on_item(self, frame: Frame, node: ast.AST, receiver: Value, index: Value, value: Value) -> None:
        """``record["plugin_state"] = …``."""
        if is_state_enum(receiver):
            self.check(frame, node, texts(index))
        elif any(is_state_name(text) for text in texts(index)):
            self.check(frame, node, texts(value))
        elif (type(node) is ast.Subscript and holds_states(frame, node.value)) or any(
            type(atom) is Container and is_state(frame.engine.heap.peek(atom, containers.ANY)) for atom in receiver
        ):
            self.check(frame, node, [*texts(value), *outcomes_of(value)])

    def on_dict(self, frame: Frame, node: ast.Dict) -> None:
        """``{"plugin_state": …}``."""
        keys = {key.value for key in node.keys if type(key) is ast.Constant and isinstance(key.value, str)}
        for key, value in zip(node.keys, node.values, strict=True):
            if type(key) is ast.Constant and isinstance(key.value, str):
                loose = (
                    key.value == "state"
                    and "plugin" in keys
                    and not any("job" in other or other == "status" for other in keys)
                )
                if loose or is_state_name(key.value):
                    self.check(frame, value, texts(frame.value(value)))

    def on_return(self, frame: Frame, node: ast.Return | ast.Yield, value: Value) -> None:
        """A word returned by what is declared to give a state."""
        function = frame.function.node if frame.function is not None else None
        if (
            (type(function) is ast.FunctionDef or type(function) is ast.AsyncFunctionDef)
            and function.returns is not None
            and texts(value)
        ) and is_state_enum(named_class(frame, function.returns)):
            self.check(frame, node, texts(value))
