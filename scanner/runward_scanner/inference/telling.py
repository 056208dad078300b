"""Telling the rules what happens in the code that is read."""

from __future__ import annotations

from functools import partial

from runward_scanner.inference.attention import ClassAttention, NameAttention, ValueAttention
from runward_scanner.rule import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable
    from typing import Any

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.heap import Derived
    from runward_scanner.inference.model import ClassInfo
    from runward_scanner.inference.values import Value
    from runward_scanner.settings import Settings


def _hooks(rules: tuple[Rule, ...], name: str) -> tuple[Callable[..., None], ...]:
    """The methods of that name, of those rules that have one of their own."""
    return tuple(getattr(rule, name) for rule in rules if _has(rule, name))


def _has(rule: Rule, name: str) -> bool:
    """Whether a rule has a method of its own under that name."""
    return getattr(type(rule), name) is not getattr(Rule, name)


class Telling:
    """Asks each rule that wants to know; ``receivers`` keeps what attributes were read from."""

    def __init__(self, settings: Settings, rules: Iterable[Rule]) -> None:
        """Take the rules in the order in which they are told."""
        given = tuple(rules)
        self.receivers: dict[ast.AST, Value] = {}
        self._hooks = {name: _hooks(given, name) for name in vars(Rule) if name.startswith("on_")}
        bits = [(1 << index, rule) for index, rule in enumerate(given)]
        told = [(bit, rule) for bit, rule in bits if _has(rule, "on_attribute")]
        self._on_attribute = [(bit, rule.on_attribute) for bit, rule in told]
        self._attribute_of = ValueAttention(settings, ((bit, rule.attributes_of) for bit, rule in told))
        self._attribute_giving = ValueAttention(settings, ((bit, rule.attributes_giving) for bit, rule in told))
        self._attribute_named = NameAttention(
            [(bit, rule.attributes_named) for bit, rule in told],
            [(bit, rule.minds_attribute) for bit, rule in told if _has(rule, "minds_attribute")],
        )
        told = [(bit, rule) for bit, rule in bits if _has(rule, "on_call")]
        self._on_call = [(bit, rule.on_call) for bit, rule in told]
        self._call_of = ValueAttention(settings, ((bit, rule.calls_of) for bit, rule in told))
        self._call_given = ValueAttention(settings, ((bit, rule.calls_given) for bit, rule in told))
        self._call_given_in_api = ValueAttention(
            settings,
            ((bit, minded) for bit, rule in told for minded in (rule.calls_given, rule.calls_given_in_api)),
        )
        self._call_named = NameAttention(
            [(bit, rule.calls_named) for bit, rule in told],
            [(bit, rule.minds_call) for bit, rule in told if _has(rule, "minds_call")],
        )
        told = [(bit, rule) for bit, rule in bits if _has(rule, "on_store")]
        self._on_store = [(bit, rule.on_store) for bit, rule in told]
        self._store_of = ValueAttention(settings, ((bit, rule.stores_of) for bit, rule in told))
        self._store_to = ValueAttention(settings, ((bit, rule.stores_to) for bit, rule in told))
        self._store_named = NameAttention(
            [(bit, rule.stores_named(settings)) for bit, rule in told],
            [(bit, rule.minds_store) for bit, rule in told if _has(rule, "minds_store")],
        )
        told = [(bit, rule) for bit, rule in bits if _has(rule, "on_return")]
        self._on_return = [(bit, rule.on_return) for bit, rule in told]
        self._return_of = ValueAttention(settings, ((bit, rule.returns_of) for bit, rule in told))
        told = [(bit, rule) for bit, rule in bits if _has(rule, "on_construct")]
        self._constructing = ClassAttention(
            (partial(rule.minds_class, settings), rule.on_construct) for bit, rule in told
        )

    def ask_again(self) -> None:
        """A class turned out to be something else than it was: ask the rules anew what they mind."""
        for known in (
            self._attribute_of,
            self._call_of,
            self._call_given,
            self._call_given_in_api,
            self._store_of,
            self._store_to,
            self._return_of,
            self._constructing,
        ):
            known.clear()

    def hook_run(self, frame: Frame, node: ast.AST, owner: Any) -> None:
        """A plugin's run is obtained or called outside ToolRunner."""
        for hook in self._hooks["on_run"]:
            hook(frame, node, owner)

    def hook_attribute(self, frame: Frame, node: ast.AST, receiver: Value, name: str, found: Derived) -> None:
        """An attribute is read that some rules mind."""
        for bit, hook in self._on_attribute:
            if found.minding & bit:
                hook(frame, node, receiver, name, found.value)

    def minding(self, receiver: Value, name: str, result: Value) -> int:
        """The rules that mind an attribute, as bits."""
        bits = self._attribute_of[receiver] | self._attribute_named[name]
        giving = self._attribute_giving
        return bits if giving.kinds.isdisjoint(map(type, result)) else bits | giving.of(result)

    def hook_call(self, frame: Frame, node: ast.Call, name: str, callee: Value, arguments: Arguments) -> None:
        """A call is made, by the last of its names."""
        bits = self._call_of[callee] | self._call_named[name]
        given = self._call_given_in_api if frame.module.in_api else self._call_given
        for value in arguments.positional:
            bits |= given[value]
        if arguments.keywords:
            for value in arguments.keywords.values():
                bits |= given[value]
        if arguments.rest or arguments.mapping:
            bits |= given.of(arguments.rest) | given.of(arguments.mapping)
        if bits:
            for bit, hook in self._on_call:
                if bits & bit:
                    hook(frame, node, callee, arguments)

    def hook_construct(self, frame: Frame, node: ast.AST, info: ClassInfo, arguments: Arguments) -> None:
        """A class is called."""
        for hook in self._constructing[info]:
            hook(frame, node, info, arguments)

    def hook_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """An attribute, or with no receiver a global, is written."""
        bits = self._store_named[name] | self._store_of[value]
        if receiver is not None:
            bits |= self._store_to[receiver]
        if bits:
            for bit, hook in self._on_store:
                if bits & bit:
                    hook(frame, node, receiver, name, value)

    def hook_item(self, frame: Frame, node: ast.AST, receiver: Value, index: Value, value: Value) -> None:
        """An element is written."""
        for hook in self._hooks["on_item"]:
            hook(frame, node, receiver, index, value)

    def hook_compare(self, frame: Frame, node: ast.AST, operands: list[ast.expr], values: list[Value]) -> None:
        """Values are compared."""
        for hook in self._hooks["on_compare"]:
            hook(frame, node, operands, values)

    def hook_member(self, frame: Frame, node: ast.AST, owner: Value, index: Value) -> None:
        """A member of an enum is looked up by name or value."""
        for hook in self._hooks["on_member"]:
            hook(frame, node, owner, index)

    def hook_class(self, frame: Frame, info: ClassInfo) -> None:
        """A class was defined."""
        for hook in self._hooks["on_class"]:
            hook(frame, info)

    def hook_type(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """A class is made by ``type(name, bases, namespace)``."""
        for hook in self._hooks["on_type"]:
            hook(frame, node, arguments)

    def hook_enum(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """An enum is made by a call."""
        for hook in self._hooks["on_enum"]:
            hook(frame, node, arguments)

    def hook_dynamic(self, frame: Frame, node: ast.AST, receiver: Value, name: Value) -> None:
        """An attribute is read by a name that is not known."""
        for hook in self._hooks["on_dynamic"]:
            hook(frame, node, receiver, name)

    def hook_import(self, frame: Frame, node: ast.AST, target: Value) -> None:
        """A module is imported by a call; nothing where its name is not known."""
        for hook in self._hooks["on_import"]:
            hook(frame, node, target)

    def hook_key(self, frame: Frame, node: ast.AST, key: Value) -> None:
        """A key of a mapping pattern."""
        for hook in self._hooks["on_key"]:
            hook(frame, node, key)

    def hook_match(self, frame: Frame, node: ast.Match, subject: Value) -> None:
        """A match statement."""
        for hook in self._hooks["on_match"]:
            hook(frame, node, subject)

    def hook_dict(self, frame: Frame, node: ast.Dict) -> None:
        """A dict display."""
        for hook in self._hooks["on_dict"]:
            hook(frame, node)

    def hook_return(self, frame: Frame, node: ast.Return | ast.Yield, value: Value) -> None:
        """A value is returned."""
        bits = self._return_of[value]
        if bits:
            for bit, hook in self._on_return:
                if bits & bit:
                    hook(frame, node, value)
