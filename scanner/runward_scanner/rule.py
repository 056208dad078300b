"""What a rule is: a code, a title, and what it does as the code is read."""

from __future__ import annotations

from types import MappingProxyType

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Collection, Iterable
    from typing import Any

    from runward_scanner.finding import Finding
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.attention import Minded
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo
    from runward_scanner.inference.values import Value
    from runward_scanner.settings import Settings


NONE: Minded = MappingProxyType({})


class Rule:
    """One rule. It reports through the frame, or gives findings once everything was read."""

    code = ""
    title = ""
    explanation = ""
    # Of what it is told: of the names for which a method says so, and of atoms by their kinds.

    attributes_of: Minded = NONE
    """What attributes are read from."""
    attributes_giving: Minded = NONE
    """What attributes give."""
    calls_of: Minded = NONE
    """What is called."""
    calls_given: Minded = NONE
    """What calls are given."""
    calls_given_in_api: Minded = NONE
    """The same of calls in the API, beside that."""
    stores_of: Minded = NONE
    """What is written to attributes and globals."""
    stores_to: Minded = NONE
    """Whose attributes are written to."""
    returns_of: Minded = NONE
    """What is returned."""

    attributes_named: Collection[str] = ()
    """The names of the attributes that it is told of, whosever they are."""
    calls_named: Collection[str] = ()
    """What is called by the last of its names."""

    def stores_named(self, settings: Settings) -> Collection[str]:
        """The names of the attributes and globals of whose writes it is told."""
        return ()

    def minds_attribute(self, name: str) -> bool:
        """Whether it is told of attributes of another name too."""
        return False

    def minds_call(self, name: str) -> bool:
        """Whether it is told of calls by another name too."""
        return False

    def minds_store(self, name: str) -> bool:
        """Whether it is told of writes to attributes and globals of another name too."""
        return False

    def minds_class(self, settings: Settings, info: ClassInfo) -> bool:
        """Whether it is told of calls of a class; the answer hangs on nothing that changes, but for its traits."""
        return True

    # What it is told.

    def finish(self, engine: Engine) -> Iterable[Finding]:
        """Findings that need the whole reading."""
        return ()

    def on_run(self, frame: Frame, node: ast.AST, owner: Any) -> None:
        """A plugin's run is obtained or called outside ToolRunner."""

    def on_attribute(self, frame: Frame, node: ast.AST, receiver: Value, name: str, result: Value) -> None:
        """An attribute is read that the rule minds."""

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """A call is made that the rule minds."""

    def on_construct(self, frame: Frame, node: ast.AST, info: ClassInfo, arguments: Arguments) -> None:
        """A class is called that the rule minds."""

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """An attribute, or with no receiver a global, is written that the rule minds; a value of nothing deletes it."""

    def on_item(self, frame: Frame, node: ast.AST, receiver: Value, index: Value, value: Value) -> None:
        """An element is written; a value of nothing deletes it."""

    def on_compare(self, frame: Frame, node: ast.AST, operands: list[ast.expr], values: list[Value]) -> None:
        """Values are compared; from a match pattern with the pattern's operand alone and both values."""

    def on_member(self, frame: Frame, node: ast.AST, owner: Value, index: Value) -> None:
        """A member of an enum is looked up by name or value."""

    def on_class(self, frame: Frame, info: ClassInfo) -> None:
        """A class was defined."""

    def on_type(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """A class is made by type()."""

    def on_enum(self, frame: Frame, node: ast.AST, arguments: Arguments) -> None:
        """An enum is made by a call."""

    def on_dynamic(self, frame: Frame, node: ast.AST, receiver: Value, name: Value) -> None:
        """An attribute is read by a name that is not known."""

    def on_import(self, frame: Frame, node: ast.AST, target: Value) -> None:
        """A module is imported by a call; a target of nothing where its name is not known."""

    def on_key(self, frame: Frame, node: ast.AST, key: Value) -> None:
        """A key of a mapping pattern."""

    def on_match(self, frame: Frame, node: ast.Match, subject: Value) -> None:
        """A match statement."""

    def on_dict(self, frame: Frame, node: ast.Dict) -> None:
        """A dict display."""

    def on_return(self, frame: Frame, node: ast.Return | ast.Yield, value: Value) -> None:
        """A value is returned that the rule minds, or yielded where it is a plugin's ``run``."""
