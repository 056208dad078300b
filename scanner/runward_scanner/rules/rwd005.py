"""RWD005: nothing bypasses validation or the error envelope."""

from __future__ import annotations

import ast
from types import MappingProxyType

from runward_scanner.inference.attention import always
from runward_scanner.inference.tables import INTERNAL_NAMES
from runward_scanner.inference.values import (
    Class,
    Container,
    External,
    Function,
    Instance,
    Module,
    Role,
    Text,
    Value,
    texts,
)
from runward_scanner.logging_calls import name_of
from runward_scanner.patterns import ends_with, stands
from runward_scanner.rule import Rule
from runward_scanner.rules import admission, internal_parts, raw_errors, swallowing, validation, validators
from runward_scanner.rules.execution import is_run
from runward_scanner.walking import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from runward_scanner.finding import Finding
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.model import ClassInfo, FunctionInfo
    from runward_scanner.settings import Settings


REPLACING: Value = frozenset(map(External, ("dataclasses.replace", "copy.replace")))
PATCHERS = frozenset({"patch", "object", "setattr"})


class NoBypass(Rule):
    """Validation stands before and after the plugin; an exception becomes an envelope; ``_internal`` stays inside."""

    code = "RWD005"
    title = "Validation or the error envelope is bypassed"
    explanation = """
ToolRunner validates the input before the plugin runs and the output after, on every path, with validators that
are not replaced; so does what admits a request, before it becomes a job. An exception around an execution is not
swallowed. No error is made from an exception's bare text: it becomes an envelope, and an internal error's tells
nothing of it. The envelope's _internal part and tracebacks are never reached in the API.
What ends a job, its Outcome, is made by ToolRunner alone.
"""

    attributes_giving = MappingProxyType({Function: lambda settings, atom: _may_be_worker_half(settings, atom.info)})
    calls_of = MappingProxyType(
        {External: lambda settings, atom: atom in REPLACING or atom.path in internal_parts.WHOLE}
    )
    calls_given = MappingProxyType(
        {
            Role: lambda settings, atom: atom in raw_errors.TELLING,
            Text: lambda settings, atom: atom == internal_parts.INTERNAL_TEXT,
        }
    )
    calls_given_in_api = MappingProxyType({Container: always})
    returns_of = MappingProxyType({Role: lambda settings, atom: atom in raw_errors.RAW, Container: always})

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._taken: list[tuple[Finding, tuple[FunctionInfo, ...]]] = []
        """What to report where one of these functions is ToolRunner's worker half, or anyway where there is none."""

    attributes_named = INTERNAL_NAMES | {"__dict__", "run_plugin"}
    """What is internal, and ToolRunner's worker half by its own name."""
    calls_named = PATCHERS | raw_errors.ANSWERING
    """What patches validators, and what answers, perhaps with a container that holds an exception's text."""

    def minds_call(self, name: str) -> bool:
        """What ends a job."""
        return raw_errors.is_failing(name)

    def stores_named(self, settings: Settings) -> Collection[str]:
        """What a validator's own parts are called."""
        return "__code__", "validate", "__call__"

    def minds_class(self, settings: Settings, info: ClassInfo) -> bool:
        """What ends a job."""
        return _is_outcome(settings, info)

    def minds_store(self, name: str) -> bool:
        """Validators, and what keeps an error."""
        return ("alidat" in name and (validators.is_validator_name(name) or validators.is_owner_name(name))) or (
            ("error" in name or "failure" in name) and raw_errors.is_error_field(name)
        )

    def finish(self, engine: Engine) -> Iterator[Finding]:
        """Check ToolRunner's ways, every try around an execution, and the API's reach."""
        for finding, halves in self._taken:
            if not halves or any(_is_worker_half(engine, info) for info in halves):
                yield finding
        yield from validation.check(engine, self.code)
        yield from admission.check(engine, self.code)
        yield from swallowing.check(engine, self.code)
        yield from internal_parts.check_api(engine, self.code)

    # -- validators and ToolRunner's worker half -----------------------------------------------------------------------

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """Report a validator that is replaced, and a raw error that is stored."""
        if validators.is_validator_name(name) and self._replaces(frame, node, receiver, value):
            frame.report(self.code, node, f"The validator {name} is replaced")
        elif name == "__code__" and any(type(atom) is Function and _is_validator(atom) for atom in receiver or ()):
            frame.report(self.code, node, "A validator's code is replaced")
        elif receiver is not None and validators.silences(frame, receiver, name, value):
            frame.report(self.code, node, "A validator is replaced by one that checks nothing")
        elif receiver is not None and raw_errors.is_error_field(name) and raw_errors.tells_raw(frame, value):
            frame.report(self.code, node, "An exception's text is stored as an error, past the envelope")

    def _replaces(self, frame: Frame, node: ast.AST, receiver: Value | None, value: Value) -> bool:
        """Whether a write puts something else in a validator's place."""
        if receiver is None:
            if type(node) is ast.FunctionDef or type(node) is ast.AsyncFunctionDef:
                return False
            known = [atom for atom in value if (type(atom) is Function or type(atom) is External)]
            if len(known) == len(value) and known:
                return not all(_is_validator(atom) for atom in known)
            return (type(node) is not ast.Import and type(node) is not ast.ImportFrom) and Role.UNKNOWN not in value
        owners = [
            atom
            for atom in receiver
            if type(atom) is Module
            or ((type(atom) is Instance or type(atom) is Class) and "tool_runner" in atom.info.traits)
            or atom in {Role.TOOL_RUNNER, Role.TOOL_RUNNER_CLASS}
            or (type(atom) is External and "valid" in atom.path)
        ]
        if not owners:
            return False
        initial = (
            frame.function is not None
            and frame.function.name == "__init__"
            and not any(type(a) is Module for a in owners)
        )
        return not (
            initial
            and not any(type(atom) is Function and not _is_validator(atom) for atom in value)
            and Role.OPAQUE not in value
        )

    def on_attribute(self, frame: Frame, node: ast.AST, receiver: Value, name: str, result: Value) -> None:
        """Report ToolRunner's worker half being taken outside the worker, and what is internal in the API."""
        if name == "__dict__" or name in INTERNAL_NAMES:
            self._internal(frame, node, receiver, name)
        if name != "run":
            self._worker_half(frame, node, receiver, name, result)

    def _internal(self, frame: Frame, node: ast.AST, receiver: Value, name: str) -> None:
        """Report what is internal being taken in the API."""
        problem = internal_parts.in_attribute(frame, node, receiver, name)
        if problem and node not in frame.engine.logged_nodes(frame.module):
            frame.report(self.code, node, problem)

    def _worker_half(self, frame: Frame, node: ast.AST, receiver: Value, name: str, result: Value) -> None:
        """Note ToolRunner's worker half, or what may be it, being taken where neither ToolRunner nor the worker
        stands; whether a method runs the plugin shows once all is read.
        """
        named = name == "run_plugin" and any(atom in {Role.TOOL_RUNNER, Role.TOOL_RUNNER_CLASS} for atom in receiver)
        settings = frame.engine.settings
        functions = [atom.info for atom in result if type(atom) is Function]
        halves = [info for info in functions if _may_be_worker_half(settings, info)]
        if (
            (named or halves)
            and not frame.engine.is_tool_runner_code(frame)
            and not stands(settings.worker, frame.module.local or frame.module.name)
        ):
            what = f"ToolRunner.{name} runs the plugin without governing it; only the worker calls it"
            finding = frame.finding(self.code, node, what)
            if finding is not None:
                self._taken.append((finding, () if named else tuple(halves)))

    # -- outcomes ------------------------------------------------------------------------------------------------------

    def on_construct(self, frame: Frame, node: ast.AST, info: ClassInfo, arguments: Arguments) -> None:
        """Report what ends a job being made outside ToolRunner."""
        if not frame.engine.is_tool_runner_code(frame):
            frame.report(self.code, node, f"{info.name}, which ends a job, is made outside ToolRunner")

    def _changes_outcome(self, frame: Frame, node: ast.Call, arguments: Arguments) -> None:
        """Report a changed copy of what ends a job, made outside ToolRunner."""
        for atom in arguments.at(0):
            if type(atom) is Instance and _is_outcome(frame.engine.settings, atom.info):
                if not frame.engine.is_tool_runner_code(frame):
                    frame.report(self.code, node, f"{atom.info.name}, which ends a job, is changed outside ToolRunner")
                return

    # -- raw errors ----------------------------------------------------------------------------------------------------

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """Report an exception's text that is handed to what answers or stores, and patched validators."""
        name = name_of(node)
        problem = internal_parts.in_call(frame, node, callee, arguments) if raw_errors.is_api(frame) else ""
        problem = problem or raw_errors.in_call(frame, node, name, callee, arguments)
        if problem:
            frame.report(self.code, node, problem)
        if not REPLACING.isdisjoint(callee):
            self._changes_outcome(frame, node, arguments)
        if name in PATCHERS:
            for value in arguments.positional[:2]:
                if any("validate_" in text and validators.PATCHED.search(text) for text in texts(value)):
                    frame.report(self.code, node, "A validator is patched")

    def on_item(self, frame: Frame, node: ast.AST, receiver: Value, index: Value, value: Value) -> None:
        """Report ``job["error"] = str(exc)``."""
        named = any(raw_errors.is_error_field(text) for text in texts(index))
        if named and raw_errors.tells_raw(frame, value):
            frame.report(self.code, node, "An exception's text is stored as an error, past the envelope")

    def on_dict(self, frame: Frame, node: ast.Dict) -> None:
        """Report an error response made from a raw exception."""
        problem = raw_errors.in_dict(frame, node)
        if problem is not None:
            frame.report(self.code, problem, "An error response is made from a raw exception, not the envelope")

    def on_dynamic(self, frame: Frame, node: ast.AST, receiver: Value, name: Value) -> None:
        """Report an envelope's attribute by a computed name in the API."""
        if internal_parts.computed(frame, receiver) and node not in frame.engine.logged_nodes(frame.module):
            frame.report(self.code, node, "The API takes an attribute of an envelope by a computed name")

    def on_match(self, frame: Frame, node: ast.Match, subject: Value) -> None:
        """Report a pattern that takes the rest of an envelope in the API."""
        pattern = internal_parts.in_match(frame, node, subject)
        if pattern is not None:
            frame.report(self.code, pattern, internal_parts.REACHES)

    def on_return(self, frame: Frame, node: ast.Return | ast.Yield, value: Value) -> None:
        """Report an exception's text that the API answers with."""
        answered = node.value is not None and (type(node.value) is not ast.Dict or None in node.value.keys)
        if answered and raw_errors.is_raw(value) and raw_errors.is_api(frame):
            frame.report(self.code, node, "The API answers with an exception's text")
        elif answered and raw_errors.is_api(frame) and self._answers_whole(frame, node, value):
            frame.report(self.code, node, "The API answers with an envelope and its _internal part")

    def _answers_whole(self, frame: Frame, node: ast.Return | ast.Yield, value: Value) -> bool:
        """Whether a public function of the API returns an envelope, its ``_internal`` part in it: one just made, or
        what can be nothing else.
        """
        if frame.function is None or frame.function.name.startswith("_"):
            return False
        held = [internal_parts.holds_internal(frame.engine, frozenset({atom})) for atom in value]
        return all(held) or (type(node.value) is ast.Call and any(held))


def _is_outcome(settings: Settings, info: ClassInfo) -> bool:
    """Whether a class is of what ends a job."""
    return ends_with(settings.outcomes, f"{info.module.local}.{info.qualname}")


def _is_validator(atom: Function | External) -> bool:
    if isinstance(atom, External):
        return validators.is_validator_name(atom.path.rpartition(".")[2])
    return validators.is_validator_name(atom.info.name)


def _may_be_worker_half(settings: Settings, info: FunctionInfo) -> bool:
    return info.owner is not None and info.owner.name == settings.tool_runner_class and info.name != "run"


def _is_worker_half(engine: Engine, info: FunctionInfo) -> bool:
    """Whether a function is a method of ToolRunner, other than ``run``, that runs the plugin itself."""
    owner = info.owner
    if owner is None or not _may_be_worker_half(engine.settings, info):
        return False
    return engine.is_tool_runner(owner) and any(is_run(engine, node) for node in walk(info.node))
