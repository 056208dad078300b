"""The guard around every plugin's ``run``: it raises unless ToolRunner holds a permit for that run.

The scanner proves what can be read in the code; this stops what cannot be read there, in whatever process it happens.
It is a guard against mistakes and short cuts, not a sandbox: code that takes Python's own objects apart, such as the
cells of a closure, can get past it.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from contextlib import suppress
from contextvars import ContextVar
from functools import update_wrapper
from threading import get_ident
from types import AsyncGeneratorType, CodeType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Self, TypeVar

from runward_service.domain.violation import GovernanceViolation, violation

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

HOLDER = ("runward_service.runtime.tool_runner", "ToolRunner.run_plugin")
"""The module and name of the one function that may enter permits. The first of that name is it for good."""
RUN = "run"
LAZY = (CoroutineType, GeneratorType, AsyncGeneratorType)
"""What a function gives whose body has not been executed when it returns."""


class Permit:
    """Leave to make one run of one plugin, in the thread that takes it, until the ``with`` block ends.

    Only the function that was appointed, ToolRunner.run_plugin, can enter one, and not within another.
    """

    __slots__ = ("_token", "entered", "lazy", "plugin", "thread", "violation")
    _holder: ClassVar[CodeType | None] = None

    def __init__(self, plugin: object) -> None:
        """Be a permit for this plugin; it counts once it is entered."""
        self.plugin = plugin
        self.thread = 0
        self.entered: list[Callable[..., Any]] = []
        self.lazy: list[Any] = []
        self.violation: GovernanceViolation | None = None

    @classmethod
    def appoint(cls, function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Let ToolRunner.run_plugin enter permits. Raises GovernanceViolation for any other function, and for a second
        one of that name.
        """
        assert isinstance(function, FunctionType)
        if cls._holder is not None or (function.__module__, function.__qualname__) != HOLDER:
            raise violated(f"{function.__qualname__} was to hold the permits, which are ToolRunner's")
        cls._holder = function.__code__
        return function

    def __enter__(self) -> Self:
        """Let the run begin. Raises GovernanceViolation for any caller but the one appointed, and within a run."""
        caller = sys._getframe(1).f_code  # noqa: SLF001 - documented, and the cheapest way to know a caller
        if caller is not self._holder:
            raise violated(f"{caller.co_qualname} took a permit to run a plugin, which ToolRunner alone may")
        outer = CURRENT.get()
        if outer is not None and outer.thread:
            raise violated(f"{named(outer.plugin)} runs {named(self.plugin)} within its own run")
        self.thread = get_ident()
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run and all that it left to be executed later.

        Raises the GovernanceViolation that the plugin hid, if it did.
        """
        self.thread = 0  # for threads and tasks that copied the context and live on
        CURRENT.reset(self._token)
        for steps in self.lazy:
            close(steps)
        if self.violation is not None and error is None:
            raise self.violation


CURRENT: ContextVar[Permit | None] = ContextVar("runward_permit", default=None)
"""The permit of the context that asks, which may be another plugin's, another thread's, or have ended."""


def violated(message: str) -> GovernanceViolation:
    """Log a violation; the error to raise. The run in whose context it happens fails, whatever becomes of the error."""
    error = violation(message)
    permit = CURRENT.get()
    if permit is not None:
        permit.violation = error
    return error


def close(steps: Any) -> None:
    """Let the body of a coroutine or generator never go on."""
    with suppress(StopIteration, StopAsyncIteration, RuntimeError, ValueError):  # it goes on elsewhere, or will not end
        if isinstance(steps, AsyncGeneratorType):
            steps.aclose().send(None)
        else:
            steps.close()


def named(plugin: object) -> str:
    """How messages call a plugin."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    return f"plugin {kind.__module__}.{kind.__qualname__}"


def guarded(raw: Any) -> Callable[..., Any]:
    """A function that does what ``raw``, a plugin's ``run`` as its class defines it, does, under a permit alone."""
    plain = isinstance(raw, FunctionType)

    def run(plugin: object, /, *given: Any, **named_given: Any) -> Any:
        permit = CURRENT.get()
        if permit is None or permit.plugin is not plugin or permit.thread != get_ident() or run in permit.entered:
            raise violated(f"{named(plugin)} was run without a permit, around ToolRunner")
        permit.entered.append(run)
        try:
            body = raw if plain else bound(raw, plugin)
            output = body(plugin, *given, **named_given) if plain else body(*given, **named_given)
        finally:
            permit.entered.pop()
        if type(output) is not dict and isinstance(output, LAZY):
            permit.lazy.append(output)
        return output

    # Without __wrapped__ and the attributes of ``raw``, which would hand it out.
    update_wrapper(run, raw, updated=())
    del run.__wrapped__  # type: ignore[attr-defined]
    run.__isabstractmethod__ = bool(getattr(raw, "__isabstractmethod__", False))  # type: ignore[attr-defined]
    return run


def bound(raw: Any, plugin: object) -> Callable[..., Any]:
    """What a class attribute that is no plain function gives on an instance."""
    getter = getattr(type(raw), "__get__", None)
    return raw if getter is None else getter(raw, plugin, type(plugin))  # type: ignore[no-any-return]


class GuardedRun:
    """A plugin's ``run`` in its class: gives the guarded function, and cannot be replaced on an instance."""

    __slots__ = ("_function",)

    def __init__(self, raw: Any) -> None:
        """Guard what the class defines as ``run``."""
        self._function = guarded(raw)

    @property
    def __isabstractmethod__(self) -> bool:
        """Whether a class with it cannot be instantiated, for ABCMeta."""
        return self._function.__isabstractmethod__  # type: ignore[attr-defined, no-any-return]

    def __get__(self, plugin: object | None, owner: type | None = None) -> Callable[..., Any]:
        """The guarded function, bound to the instance if there is one."""
        return self._function if plugin is None else MethodType(self._function, plugin)

    def __set__(self, plugin: object, value: object) -> None:
        """Raises GovernanceViolation."""
        raise violated(f"the run of {named(plugin)} was to be replaced on an instance")

    def __call__(self, plugin: object, /, *given: Any, **named_given: Any) -> Any:
        """The same as the function that it gives, for what finds it in the class's ``__dict__``."""
        return self._function(plugin, *given, **named_given)


class PluginType(ABCMeta):
    """The metaclass of plugins: whatever becomes a plugin class's ``run`` is guarded."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **arguments: Any) -> PluginType:
        """Make the class, its ``run`` guarded under every name that its body gave it, or a mixin's that it inherits."""
        raw = namespace.get(RUN)
        if isinstance(raw, FunctionType):
            guard = GuardedRun(raw)
            namespace = {key: guard if value is raw else value for key, value in namespace.items()}
        elif RUN in namespace and not isinstance(raw, GuardedRun):
            namespace = {**namespace, RUN: GuardedRun(raw)}
        made = super().__new__(mcls, name, bases, namespace, **arguments)
        inherited = next((vars(base)[RUN] for base in made.__mro__ if RUN in vars(base)), None)
        if inherited is not None and not isinstance(inherited, GuardedRun):
            setattr(made, RUN, inherited)
        return made

    def __setattr__(cls, name: str, value: Any) -> None:
        """Guard a ``run`` that is assigned later, too."""
        if name == RUN and not isinstance(value, GuardedRun):
            value = GuardedRun(value)
        super().__setattr__(name, value)
