"""The guard around every plugin's ``run``: it raises unless ToolRunner holds a permit for that run.

The scanner proves what can be read in the code; this stops what cannot be read there, in whatever process it happens.
It is a guard against mistakes and short cuts, not a sandbox: code that takes Python's own objects apart, such as the
cells of a closure, can get past it.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import update_wrapper
from os import register_at_fork
from threading import get_ident
from types import AsyncGeneratorType, CodeType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Self, TypeVar
from weakref import WeakSet

from runward_service.domain.violation import GovernanceViolation, violation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
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

    Only the function that was appointed, ToolRunner.run_plugin, can enter one, and not while another run goes on.
    """

    __slots__ = ("_token", "plugin", "violation")

    def __init__(self, plugin: object) -> None:
        """Be a permit for this plugin; it counts once it is entered."""
        self.plugin = plugin
        self.violation: GovernanceViolation | None = None
        self._token: Token[Permit | None] | None = None

    @classmethod
    def appoint(cls, function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Let ToolRunner.run_plugin enter permits. Raises GovernanceViolation for any other function, and for a second
        one of that name.
        """
        appoint(function)
        return function

    def __enter__(self) -> Self:
        """Let the run begin. Raises GovernanceViolation for any caller but the one appointed, and within a run."""
        begin(self, self.plugin)
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run and all that it left to be executed later.

        Raises the GovernanceViolation that the plugin hid, if it did.
        """
        lazy = end(self)
        if self._token is not None:
            CURRENT.reset(self._token)
        for steps in lazy:
            close(steps)
        if self.violation is not None and error is None:
            raise self.violation


class Granted(NamedTuple):
    """A run that goes on: its permit, its plugin, the plugin's class with those that it derives from; which functions
    began, which of them are being executed, and what they left to be executed later.
    """

    permit: Permit
    plugin: object
    kinds: tuple[type, ...]
    begun: list[Callable[..., Any]]
    entered: list[Callable[..., Any]]
    lazy: list[Any]


CURRENT: ContextVar[Permit | None] = ContextVar("runward_permit", default=None)
"""Whom a violation in this context is laid to: the run that began here, in a copied context too. It permits nothing."""


def books() -> tuple[  # noqa: C901 - five short functions over what they alone can reach
    Callable[[str], GovernanceViolation],
    Callable[[Any], None],
    Callable[[Permit, object], None],
    Callable[[Permit], list[Any]],
    Callable[[object, Callable[..., Any], Collection[type]], Granted | None],
]:
    """What keeps the runs that go on, by their threads: how to note a violation, appoint the function that may begin a
    run, begin one, end it, and look up the one of this thread. No name of a module and no attribute of a permit leads
    to what it keeps.
    """
    holder: list[CodeType] = []
    under_way: dict[int, Granted] = {}
    current, thread, frame, noted = CURRENT, get_ident, sys._getframe, violation  # noqa: SLF001 - a quick way to know a caller
    register_at_fork(after_in_child=under_way.clear)  # the permit is its parent's

    def violated(message: str) -> GovernanceViolation:
        error = noted(message)
        granted = under_way.get(thread())
        for permit in (current.get(), granted and granted.permit):
            if permit is not None:
                permit.violation = error
        return error

    def appoint(function: Any) -> None:
        if holder or (function.__module__, function.__qualname__) != HOLDER:
            raise violated(f"{function.__qualname__} was to hold the permits, which are ToolRunner's")
        holder.append(function.__code__)

    def begin(permit: Permit, plugin: object) -> None:
        caller = frame(2).f_code
        if [caller] != holder:
            raise violated(f"{caller.co_qualname} took a permit to run a plugin, which ToolRunner alone may")
        for going_on in [*under_way.values()]:
            error = violated(f"{named(going_on.plugin)} runs {named(plugin)} within its own run")
            going_on.permit.violation = error  # also where it is a thread of that run's that asks
            raise error
        under_way[thread()] = Granted(permit, plugin, type(plugin).__mro__, [], [], [])

    def end(permit: Permit) -> list[Any]:
        granted = under_way.get(thread())
        if granted is None or granted.permit is not permit:
            return []
        if not granted.begun and permit.violation is None:
            violated(f"the run of {named(granted.plugin)} is not guarded")
        del under_way[thread()]
        return granted.lazy

    def granted_to(plugin: object, run: Callable[..., Any], owners: Collection[type]) -> Granted | None:
        granted = under_way.get(thread())
        if granted is None or granted.plugin is not plugin or run in granted.entered:
            return None
        return granted if any(kind in owners for kind in granted.kinds) else None

    return violated, appoint, begin, end, granted_to


violated, appoint, begin, end, granted_to = books()
"""``violated`` logs a violation and gives the error to raise. The run in whose context or thread it happens fails,
whatever becomes of the error.
"""


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


def guarded(raw: Any, owners: Collection[type]) -> Callable[..., Any]:
    """A function that does what ``raw``, a plugin's ``run`` as its class defines it, does: under a permit alone, and
    for instances of the classes that it is the run of.
    """
    plain, find, refused = isinstance(raw, FunctionType), granted_to, violated

    def run(plugin: object, /, *given: Any, **named_given: Any) -> Any:
        granted = find(plugin, run, owners)
        if granted is None:
            raise refused(f"{named(plugin)} was run without a permit, around ToolRunner")
        granted.begun.append(run)
        granted.entered.append(run)
        try:
            body = raw if plain else bound(raw, plugin)
            output = body(plugin, *given, **named_given) if plain else body(*given, **named_given)
        finally:
            granted.entered.pop()
        if type(output) is not dict and isinstance(output, LAZY):
            granted.lazy.append(output)
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

    __slots__ = ("_function", "_owners")

    def __init__(self, raw: Any) -> None:
        """Guard what the class defines as ``run``."""
        self._owners: WeakSet[type] = WeakSet()
        self._function = guarded(raw, self._owners)

    def __set_name__(self, owner: type, name: str) -> None:
        """Be the run of one more class."""
        self._owners.add(owner)

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


def looked_up(raw: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """A ``__getattribute__`` that does what a class's own does, but for ``run``, which stays the guarded one."""

    def __getattribute__(instance: Any, name: str) -> Any:  # noqa: N807 - what it becomes
        return object.__getattribute__(instance, RUN) if name == RUN else raw(instance, name)

    __getattribute__.guards_run = True  # type: ignore[attr-defined]
    return __getattribute__


class PluginType(ABCMeta):
    """The metaclass of plugins: whatever becomes a plugin class's ``run``, or finds it, is guarded."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **arguments: Any) -> PluginType:
        """Make the class, its ``run`` guarded under every name that its body gave it."""
        raw = namespace.get(RUN)
        if isinstance(raw, FunctionType):
            guard = GuardedRun(raw)
            namespace = {key: guard if value is raw else value for key, value in namespace.items()}
        return super().__new__(mcls, name, bases, namespace, **arguments)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **arguments: Any) -> None:
        """Guard what the class's body, a mixin, or a metaclass that made the class in a way of its own gave it."""
        super().__init__(name, bases, namespace, **arguments)
        cls._guard_found()

    def _guard_found(cls) -> None:
        for attribute in GUARDED:
            found = next((vars(base)[attribute] for base in cls.__mro__ if attribute in vars(base)), None)
            if found is not None and guard_of(attribute, found) is not found:
                setattr(cls, attribute, found)

    def __setattr__(cls, name: str, value: Any) -> None:
        """Guard what is assigned later, too."""
        if name in GUARDED:
            value = guard_of(name, value)
            if isinstance(value, GuardedRun):
                value.__set_name__(cls, name)
        super().__setattr__(name, value)
        if name == "__bases__":
            cls._guard_found()


GUARDED = (RUN, "__getattribute__")


def guard_of(name: str, value: Any) -> Any:
    """What stands for a class attribute that would be, or find, a plugin's ``run``; itself where it does so already."""
    if name == RUN:
        return value if isinstance(value, GuardedRun) else GuardedRun(value)
    is_fine = value is object.__getattribute__ or getattr(value, "guards_run", False)
    return value if is_fine else looked_up(value)
