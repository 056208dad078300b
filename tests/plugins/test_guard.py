"""The guard around a plugin's run: ToolRunner's permit, and nothing else, lets it be called."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import gc
import inspect
import logging
import operator
import os
import sys
import threading
import warnings
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.violation import GovernanceViolation
from runward_service.plugins import guard
from runward_service.plugins.base import Payload, Plugin, RunContext
from runward_service.plugins.guard import CURRENT, GuardedRun, Permit, PluginType
from runward_service.runtime.tool_runner import ToolRunner

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOAD = Payload(b"x", "image/png")
CONTEXT = RunContext("job", 1, lambda fraction, message: None)
WITHOUT = "was run without a permit"


class Counting(Plugin):
    """Counts its runs."""

    name = "counting"

    def __init__(self) -> None:
        self.runs = 0

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        """Count one."""
        self.runs += 1
        return {"runs": self.runs}

    process = run


class Deriving(Counting):
    """Runs its base class's run within its own, twice."""

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        super().run(payload, context)
        return {"both": super().run(payload, context)}


class Mixin:
    """A run that comes from a class which is no plugin."""

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {"from": type(self).__name__}


class Mixed(Mixin, Plugin):
    """Takes it over."""

    name = "mixed"


class Doing(Plugin):
    """Does in its run what a test says."""

    name = "doing"

    def __init__(self, action: Callable[[Doing], Any]) -> None:
        self.action = action

    def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {"given": self.action(self)}


def run(plugin: Plugin) -> dict[str, Any]:
    """Run a plugin as a worker does."""
    return ToolRunner.run_plugin(plugin, PAYLOAD, CONTEXT)


CALLS: dict[str, Callable[[Counting], Any]] = {
    "bound": lambda plugin: plugin.run(PAYLOAD, CONTEXT),
    "keywords": lambda plugin: plugin.run(payload=PAYLOAD, context=CONTEXT),
    "unbound": lambda plugin: Counting.run(plugin, PAYLOAD, CONTEXT),
    "of its type": lambda plugin: type(plugin).run(plugin, PAYLOAD, CONTEXT),
    "vars": lambda plugin: vars(Counting)["run"](plugin, PAYLOAD, CONTEXT),
    "descriptor": lambda plugin: vars(Counting)["run"].__get__(plugin, Counting)(PAYLOAD, CONTEXT),
    "descriptor, twice": lambda plugin: Counting.run.__get__(plugin)(PAYLOAD, CONTEXT),
    "its function": lambda plugin: plugin.run.__func__(plugin, PAYLOAD, CONTEXT),  # type: ignore[attr-defined]
    "getattr": lambda plugin: getattr(plugin, "".join("run"))(PAYLOAD, CONTEXT),
    "getattr_static": lambda plugin: inspect.getattr_static(plugin, "run")(plugin, PAYLOAD, CONTEXT),
    "object's": lambda plugin: object.__getattribute__(plugin, "run")(PAYLOAD, CONTEXT),
    "another name": lambda plugin: plugin.process(PAYLOAD, CONTEXT),
    "partial": lambda plugin: functools.partial(plugin.run, PAYLOAD)(CONTEXT),
    "methodcaller": operator.methodcaller("run", PAYLOAD, CONTEXT),
    "map": lambda plugin: list(map(plugin.run, [PAYLOAD], [CONTEXT])),
    "copied context": lambda plugin: contextvars.copy_context().run(plugin.run, PAYLOAD, CONTEXT),
    "to_thread": lambda plugin: asyncio.run(asyncio.to_thread(plugin.run, PAYLOAD, CONTEXT)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_run_without_a_permit_raises_and_is_logged(
    caplog: pytest.LogCaptureFixture, call: Callable[[Counting], Any]
) -> None:
    """However it is spelt, the call raises GovernanceViolation, is logged once as such, and the body does not run."""
    plugin = Counting()
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        call(plugin)
    assert plugin.runs == 0
    assert [(record.name, record.levelname) for record in caplog.records] == [("runward.governance", "ERROR")]
    assert run(plugin) == {"runs": 1}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_another_plugins_permit_is_of_no_use(call: Callable[[Counting], Any]) -> None:
    """Within a permitted run, another plugin's run raises just so, and the run that tried it fails."""
    other = Counting()
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        run(Doing(lambda _: call(other)))
    assert other.runs == 0


def test_the_abstract_run_is_guarded() -> None:
    """Plugin.run itself raises without a permit, and classes that define no run stay abstract."""
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        Plugin.run(Counting(), PAYLOAD, CONTEXT)

    class Unfinished(Plugin):
        name = "unfinished"

    assert inspect.isabstract(Unfinished)
    assert not inspect.isabstract(Counting)


def test_super_is_within_the_permit() -> None:
    """A run may call its base class's run, more than once; from outside that raises."""
    plugin = Deriving()
    assert run(plugin) == {"both": {"runs": 2}}
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        super(Deriving, plugin).run(PAYLOAD, CONTEXT)


def test_a_run_cannot_begin_itself_again() -> None:
    """One permit is for one call: a run that calls itself raises."""
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        run(Doing(lambda plugin: plugin.run(PAYLOAD, CONTEXT)))


def test_a_mixins_run_is_guarded() -> None:
    """A run that a class inherits from one that is no plugin needs the permit too."""
    assert run(Mixed()) == {"from": "Mixed"}
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        Mixed().run(PAYLOAD, CONTEXT)


@pytest.mark.parametrize("kind", ["function", "classmethod", "staticmethod", "partialmethod", "property", "object"])
def test_whatever_defines_run_is_guarded(kind: str) -> None:
    """A run that is no plain function, also one that is assigned after the class was made, works under the permit and
    raises without.
    """

    def answer(*given: object) -> dict[str, Any]:
        return {"given": len(given)}

    kinds: dict[str, tuple[Any, int]] = {
        "function": (answer, 3),
        "classmethod": (classmethod(answer), 3),
        "staticmethod": (staticmethod(answer), 2),
        "partialmethod": (functools.partialmethod(answer, 1), 4),
        "property": (property(lambda _: answer), 2),
        "object": (functools.partial(answer), 2),
    }
    definition, expected = kinds[kind]
    made = type(Plugin)("Made", (Plugin,), {"name": "made", "run": definition})
    Later = type(Plugin)("Later", (Counting,), {})  # noqa: N806 - a class
    Later.run = definition  # type: ignore[attr-defined]
    for plugin in (made(), Later()):
        assert run(plugin) == {"given": expected}
        with pytest.raises(GovernanceViolation, match=WITHOUT):
            plugin.run(PAYLOAD, CONTEXT)


def test_an_instance_cannot_replace_its_run(caplog: pytest.LogCaptureFixture) -> None:
    """Assigning a run to an instance raises and is logged; one put into its __dict__ is never looked at."""
    plugin = Counting()
    for assign in (setattr, object.__setattr__):
        with pytest.raises(GovernanceViolation, match="replaced"):
            assign(plugin, "run", lambda payload, context: {"runs": "none"})
    assert len(caplog.records) == 2
    vars(plugin)["run"] = lambda payload, context: {"runs": "none"}
    assert run(plugin) == {"runs": 1}


def test_the_function_is_not_handed_out() -> None:
    """What stands for a run tells its name and document, but not the function behind it."""
    assert (Counting.run.__name__, Counting.run.__doc__) == ("run", "Count one.")
    assert not hasattr(Counting.run, "__wrapped__")
    assert isinstance(vars(Counting)["process"], GuardedRun)


def take_permit(plugin: Plugin) -> dict[str, Any]:
    """Do what ToolRunner alone may."""
    with Permit(plugin):
        return plugin.run(PAYLOAD, CONTEXT)


HIDDEN: dict[str, Callable[[Doing], Any]] = {
    "another plugin": lambda _: Counting().run(PAYLOAD, CONTEXT),
    "itself": lambda plugin: plugin.run(PAYLOAD, CONTEXT),
    "ToolRunner": lambda _: run(Counting()),
    "a permit": take_permit,
    "an appointment": lambda _: Permit.appoint(take_permit),
    "a replaced run": lambda plugin: setattr(plugin, "run", take_permit),
}


@pytest.mark.parametrize("action", HIDDEN.values(), ids=HIDDEN)
def test_a_hidden_violation_ends_the_run(action: Callable[[Doing], Any]) -> None:
    """A run that swallows the exception of a violation raises it at its end all the same; the next run does not."""

    def hide(plugin: Doing) -> str:
        with suppress(Exception):
            action(plugin)
        return "nothing happened"

    plugin = Doing(hide)
    with pytest.raises(GovernanceViolation):
        run(plugin)
    plugin.action = lambda _: "nothing happened"
    assert run(plugin) == {"given": "nothing happened"}


def test_a_thread_has_no_permit(caplog: pytest.LogCaptureFixture) -> None:
    """A thread that a run starts has no permit, even in a copy of the run's context."""

    class Threading(Deriving):
        def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
            base, caught = super().run, list[str]()

            def attempt() -> None:
                try:
                    base(payload, context)
                except GovernanceViolation as error:
                    caught.append(str(error))

            for target in (attempt, functools.partial(contextvars.copy_context().run, attempt)):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
            assert len(caught) == 2
            return {}

    plugin = Threading()
    with pytest.raises(GovernanceViolation, match=WITHOUT):  # for the copied context tells whose run it is
        run(plugin)
    assert plugin.runs == 0
    assert len(caplog.records) == 2


def test_a_permit_ends_with_its_run() -> None:
    """A context that was copied within a run gives no permit once the run is over."""
    kept: list[contextvars.Context] = []
    plugin = Doing(lambda _: kept.append(contextvars.copy_context()))
    run(plugin)
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        kept[0].run(plugin.run, PAYLOAD, CONTEXT)
    assert run(plugin) == {"given": None}


def test_a_permit_ends_with_a_run_that_raises() -> None:
    """After a run that raised, there is no permit left."""
    plugin = Doing(lambda _: {}["nothing"])
    for _ in range(2):
        with pytest.raises(KeyError):
            run(plugin)
        with pytest.raises(GovernanceViolation, match=WITHOUT):
            plugin.run(PAYLOAD, CONTEXT)


@pytest.mark.parametrize("kind", ["coroutine", "generator", "asynchronous generator"])
def test_a_body_that_would_run_later_never_does(kind: str) -> None:
    """A run that is a coroutine or generator has no body to run within the permit: its output is refused, and what it
    gave cannot be carried on with after the run.
    """
    begun: list[str] = []

    async def coroutine(self: Plugin, payload: Payload, context: RunContext) -> dict[str, Any]:
        begun.append(kind)
        return {}

    def generator(self: Plugin, payload: Payload, context: RunContext) -> Any:
        begun.append(kind)
        yield {}

    async def asynchronous_generator(self: Plugin, payload: Payload, context: RunContext) -> Any:
        begun.append(kind)
        yield {}

    bodies = {"coroutine": coroutine, "generator": generator, "asynchronous generator": asynchronous_generator}
    lazy = type(Plugin)("Lazy", (Plugin,), {"name": "lazy", "run": bodies[kind]})
    with pytest.raises(GovernedError) as caught:
        run(lazy())
    assert caught.value.reason is ErrorReason.OUTPUT_INVALID
    kept: list[Any] = []

    class Keeping(lazy):  # type: ignore[misc, valid-type]
        def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
            kept.append(super().run(payload, context))
            return {}

    assert run(Keeping()) == {}
    for go_on in (lambda: kept[0].send(None), lambda: kept[0].__anext__().send(None)):
        with pytest.raises((AttributeError, RuntimeError, StopIteration, StopAsyncIteration)):
            go_on()
    assert begun == []


def test_a_generator_can_be_used_within_the_run() -> None:
    """A run may work off what its base class's run yields, as long as its own run goes on."""

    class Yielding(Plugin):
        name = "yielding"

        def run(self, payload: Payload, context: RunContext) -> Any:
            yield "a", 1
            yield "b", 2

    class Gathering(Yielding):
        def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
            return dict(super().run(payload, context))

    assert run(Gathering()) == {"a": 1, "b": 2}


def test_tool_runner_alone_takes_permits(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever else enters a permit, directly or through something that does it for him, is refused and logged."""
    plugin = Counting()
    with pytest.raises(GovernanceViolation, match="took a permit"):
        take_permit(plugin)
    with pytest.raises(GovernanceViolation, match="took a permit"), ExitStack() as stack:
        stack.enter_context(Permit(plugin))
    assert plugin.runs == 0
    assert len(caplog.records) == 2


def test_the_permits_have_one_holder() -> None:
    """No second function can be appointed, and one that takes the holder's place is not the holder."""
    with pytest.raises(GovernanceViolation, match="which are ToolRunner's"):
        Permit.appoint(take_permit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ToolRunner, "run_plugin", staticmethod(take_permit))
        with pytest.raises(GovernanceViolation, match="took a permit"):
            ToolRunner.run_plugin(Counting())  # type: ignore[call-arg]


def test_tool_runner_within_a_run() -> None:
    """ToolRunner itself runs no plugin within another's run."""
    other = Counting()
    with pytest.raises(GovernanceViolation, match=r"Doing runs plugin .*Counting within its own run"):
        run(Doing(lambda _: run(other)))
    assert other.runs == 0


def change_class(plugin: Plugin) -> Any:
    """Become another plugin within the run."""
    plugin.__class__ = Counting
    try:
        plugin.runs = 0  # type: ignore[attr-defined]
        return plugin.run(PAYLOAD, CONTEXT)
    finally:
        plugin.__class__ = Doing


def forged(plugin: Plugin) -> Permit:
    """A permit that was never entered, with all that it can be given."""
    made = object.__new__(Permit)
    made.plugin, made.violation = plugin, None
    return made


def dig_out(plugin: Plugin) -> Any:
    """Have the permit of this run, found among all objects, say that it is another's."""
    for permit in [one for one in gc.get_objects() if type(one) is Permit]:
        permit.plugin = plugin
    assert CURRENT.get() is not None
    CURRENT.get().plugin = plugin  # type: ignore[union-attr]
    return plugin.run(PAYLOAD, CONTEXT)


def in_forged_context(plugin: Plugin, permit: Permit) -> Any:
    """Put a permit where that of this run is."""
    token = CURRENT.set(permit)
    try:
        return plugin.run(PAYLOAD, CONTEXT)
    finally:
        CURRENT.reset(token)


def from_a_thread(action: Callable[[], Any]) -> Any:
    """Do something in a thread of its own; what it raises is raised here."""
    caught: list[BaseException] = []

    def attempt() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - is raised below
            caught.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    raise caught[0]


async def in_a_task(plugin: Plugin) -> Any:
    """Run it in a task."""
    return await asyncio.create_task(asyncio.to_thread(lambda: None)) or plugin.run(PAYLOAD, CONTEXT)


AROUND: dict[str, Callable[[Counting, Doing], Any]] = {
    "another class's, of its own instance": lambda _, own: Counting.run(own, PAYLOAD, CONTEXT),
    "another class's, after a change of class": lambda _, own: change_class(own),
    "a permit that was changed": lambda other, _: dig_out(other),
    "a forged permit": lambda other, _: in_forged_context(other, forged(other)),
    "a copied permit": lambda other, _: in_forged_context(other, copy.copy(CURRENT.get()) or forged(other)),
    "a permit that is entered again": lambda _, own: CURRENT.get().__enter__(),  # type: ignore[union-attr]
    "no permit": lambda other, _: contextvars.Context().run(other.run, PAYLOAD, CONTEXT),
    "a task": lambda other, _: asyncio.run(in_a_task(other)),
    "a task of its own": lambda _, own: asyncio.run(in_a_task(own)),
    "ToolRunner in a thread": lambda other, _: from_a_thread(lambda: run(other)),
    "ToolRunner in an empty context": lambda other, _: contextvars.Context().run(run, other),
    "begin, taken from the module": lambda other, _: guard.begin(forged(other), other),
}


@pytest.mark.parametrize("way", AROUND.values(), ids=AROUND)
def test_ways_around_a_permit(caplog: pytest.LogCaptureFixture, way: Callable[[Counting, Doing], Any]) -> None:
    """Whatever a run does with the permits that it can get hold of, another plugin's run raises, and is logged."""
    other = Counting()
    with pytest.raises(GovernanceViolation):
        run(Doing(lambda own: way(other, own)))
    assert other.runs == 0
    assert {record.name for record in caplog.records} == {"runward.governance"}
    assert run(other) == {"runs": 1}


def test_a_violation_is_laid_to_the_run_of_its_thread() -> None:
    """A run that leaves the context in which it would be told of its violation fails all the same."""

    def hide(_: Doing) -> None:
        with suppress(Exception):
            contextvars.Context().run(Counting().run, PAYLOAD, CONTEXT)

    with pytest.raises(GovernanceViolation, match=WITHOUT):
        run(Doing(hide))


REPLACED: dict[str, Any] = {
    "CURRENT": contextvars.ContextVar("another", default=forged(Counting())),  # noqa: B039 - a permit is what it holds
    "get_ident": lambda: 0,
    "violated": RuntimeError,
    "granted_to": lambda plugin, run, owners: guard.Granted(forged(plugin), plugin, (), [], [], []),
    "HOLDER": (__name__, "take_permit"),
    "named": str,
}


@pytest.mark.parametrize("name", REPLACED)
def test_replacing_what_the_guard_is_made_of(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Other values for the names of the guard's module let no run through, and hide none."""
    monkeypatch.setattr(guard, name, REPLACED[name])
    monkeypatch.setitem(sys.modules, guard.__name__, None)
    plugin = Counting()
    for call in (lambda: plugin.run(PAYLOAD, CONTEXT), lambda: take_permit(plugin)):
        with pytest.raises(GovernanceViolation):
            call()
    assert plugin.runs == 0
    assert len(caplog.records) == 2


def test_replacing_the_permits_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A permit that is entered by other code is none."""
    plugin = Counting()
    monkeypatch.setattr(Permit, "__enter__", lambda permit: permit)
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        run(plugin)
    assert plugin.runs == 0


def test_a_forked_process_has_no_permit() -> None:
    """A process that is forked within a run does not go on with the run of the base class."""

    def fork(plugin: Doing) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads that other tests left, from Python 3.12 on
            child = os.fork()
        if child == 0:
            try:
                Doing.run(plugin, PAYLOAD, CONTEXT)
            except GovernanceViolation:
                os._exit(7)
            finally:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    class Forking(Doing):
        def run(self, payload: Payload, context: RunContext) -> dict[str, Any]:
            return {"child": fork(self), **super().run(payload, context)}

    assert run(Forking(lambda _: None)) == {"child": 7, "given": None}


def test_a_class_that_finds_its_run_in_its_own_way() -> None:
    """``__getattribute__``, whether of the class, a mixin or set later, finds the guarded run and nothing else."""

    def find(plugin: Any, name: str) -> Any:
        if name in {"run", "other"}:
            return lambda *given: {"found": len(given)}
        return object.__getattribute__(plugin, name)

    class Finding:
        __getattribute__ = find

    class Own(Counting):
        __getattribute__ = find

    class Mixing(Finding, Counting):
        pass

    class Later(Counting):
        pass

    Later.__getattribute__ = find  # type: ignore[method-assign]
    for kind in (Own, Mixing, Later, PluginType("Derived", (Mixing,), {})):
        plugin = kind()
        with pytest.raises(GovernanceViolation, match=WITHOUT):
            plugin.run(PAYLOAD, CONTEXT)
        assert run(plugin) == {"runs": 1}
        assert plugin.other(1) == {"found": 1}


def test_a_metaclass_that_makes_its_classes_itself() -> None:
    """A run that the guard's metaclass did not see is guarded when the class is done, or not run at all."""

    def answer(self: Plugin, payload: Payload, context: RunContext) -> dict[str, Any]:
        return {"ran": True}

    class Making(PluginType):
        def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **_: Any) -> Making:
            return type.__new__(mcls, name, bases, namespace)

    class Skipping(Making):
        def __init__(cls, *given: Any) -> None:  # noqa: N805 - of a metaclass
            pass

    made, skipped = (kind("Made", (Counting,), {"run": answer}) for kind in (Making, Skipping))
    assert run(made()) == {"ran": True}
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        made().run(PAYLOAD, CONTEXT)
    with pytest.raises(GovernanceViolation, match="is not guarded"):
        run(skipped())
    type.__setattr__(made, "run", answer)
    with pytest.raises(GovernanceViolation, match="is not guarded"):
        run(made())


def test_a_run_that_comes_with_another_base_class() -> None:
    """What a class derives from can be changed: a run that is found then is guarded, too."""

    class Plain:
        pass

    class Changing(Plain, Counting):
        pass

    Changing.__bases__ = (Mixin, Counting)
    plugin = Changing()
    with pytest.raises(GovernanceViolation, match=WITHOUT):
        plugin.run(PAYLOAD, CONTEXT)
    assert run(plugin) == {"from": "Changing"}


@pytest.mark.parametrize("what", ["all", "this one", "a level"])
def test_what_is_done_to_loggers_hides_no_violation(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Libraries disable all loggers, or those that their configuration does not name; violations are logged then."""
    logger = logging.getLogger("runward.governance")
    if what == "all":
        monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    elif what == "this one":
        monkeypatch.setattr(logger, "disabled", True)
    else:
        monkeypatch.setattr(logger, "level", logging.CRITICAL + 1)
    with pytest.raises(GovernanceViolation):
        Counting().run(PAYLOAD, CONTEXT)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
