"""Ways to ``run`` that differ in where the plugin is kept meanwhile."""

from __future__ import annotations

from tests.scanner.mutation.way import Way

WAYS_BY_BINDING = (
    Way("walrus", "`:=`", "outcome = (thing := subject) and thing.run(payload, context)", core=True),
    Way(
        "match-class",
        "a class pattern that captures `run`",
        "match subject:\n    case Plugin(run=go):\n        outcome = go(payload, context)",
        "from runward_service.plugins.base import Plugin",
        core=True,
    ),
    Way(
        "match-name",
        "a pattern that captures the plugin",
        "match [subject]:\n    case [thing]:\n        outcome = thing.run(payload, context)",
        core=True,
    ),
    Way(
        "comprehension", "a comprehension", "outcome = [thing.run(payload, context) for thing in [subject]]", core=True
    ),
    Way("generator", "a generator expression", "outcome = next(thing.run(payload, context) for thing in (subject,))"),
    Way("unpacking", "unpacking", "number, thing = 1, subject\noutcome = thing.run(payload, context)", core=True),
    Way(
        "star-unpacking",
        "a starred target",
        "number, *things = [1, subject]\noutcome = things[0].run(payload, context)",
    ),
    Way(
        "loop",
        "a loop's target",
        "for number, thing in enumerate([subject]):\n    outcome = thing.run(payload, context)",
    ),
    Way("conditional", "a conditional expression", "outcome = (subject if payload else None).run(payload, context)"),
    Way("boolean", "`or`", "kept = None\noutcome = (kept or subject).run(payload, context)"),
    Way(
        "list",
        "an element of a list",
        "things = []\nthings.append(subject)\noutcome = things[0].run(payload, context)",
        core=True,
    ),
    Way("dict", "a value of a dict", 'outcome = {"thing": subject}["thing"].run(payload, context)', core=True),
    Way("dict-of-methods", "a bound method in a dict", 'outcome = {"go": subject.run}["go"](payload, context)'),
    Way("set-pop", "an element of a set", "outcome = {subject}.pop().run(payload, context)"),
    Way(
        "zip",
        "`zip`",
        "outcome = [thing.run(given, context) for thing, given in zip([subject], [payload], strict=True)]",
    ),
    Way(
        "deque",
        "a deque",
        "outcome = deque([subject]).popleft().run(payload, context)",
        "from collections import deque",
    ),
    Way(
        "queue",
        "a queue",
        "waiting = queues.SimpleQueue()\nwaiting.put(subject)\noutcome = waiting.get().run(payload, context)",
        "import queue as queues",
    ),
    Way(
        "namespace",
        "a SimpleNamespace",
        "outcome = SimpleNamespace(thing=subject).thing.run(payload, context)",
        "from types import SimpleNamespace",
    ),
    Way("copy", "a copy", "outcome = copy.copy(subject).run(payload, context)", "import copy"),
    Way(
        "cast",
        "`typing.cast` to something else",
        'outcome = cast("object", subject).run(payload, context)',
        "from typing import cast",
    ),
    Way("weak-proxy", "a weak proxy", "outcome = weakref.proxy(subject).run(payload, context)", "import weakref"),
    Way(
        "weak-reference", "a weak reference", "outcome = weakref.ref(subject)().run(payload, context)", "import weakref"
    ),
    Way(
        "class-attribute",
        "a class attribute",
        "Holder.thing = subject\noutcome = Holder.thing.run(payload, context)",
        above="class Holder:\n    thing = None",
        core=True,
    ),
    Way(
        "instance-attribute",
        "an attribute set in `__init__`",
        "outcome = Holder(subject).go(payload, context)",
        above="""
        class Holder:
            def __init__(self, thing):
                self._thing = thing

            def go(self, *given):
                return self._thing.run(*given)
        """,
    ),
    Way(
        "property",
        "a property",
        "outcome = Holder(subject).current.run(payload, context)",
        above="""
        class Holder:
            def __init__(self, thing):
                self._thing = thing

            @property
            def current(self):
                return self._thing
        """,
        core=True,
    ),
    Way(
        "property-of-method",
        "a property that gives the bound method",
        "outcome = Holder(subject).act(payload, context)",
        above="""
        class Holder:
            def __init__(self, thing):
                self._thing = thing

            @property
            def act(self):
                return self._thing.run
        """,
    ),
    Way(
        "dataclass",
        "a field of a dataclass",
        "outcome = Kept(subject).thing.run(payload, context)",
        "from dataclasses import dataclass",
        "@dataclass\nclass Kept:\n    thing: object",
    ),
    Way(
        "named-tuple",
        "a field of a named tuple",
        "outcome = Kept(subject).thing.run(payload, context)",
        "from typing import NamedTuple",
        "class Kept(NamedTuple):\n    thing: object",
    ),
    Way(
        "context-manager",
        "a generator as context manager",
        "with lent(subject) as thing:\n    outcome = thing.run(payload, context)",
        "from contextlib import contextmanager",
        "@contextmanager\ndef lent(thing):\n    yield thing",
        core=True,
    ),
    Way(
        "context-manager-class",
        "`__enter__`",
        "with Lease(subject) as thing:\n    outcome = thing.run(payload, context)",
        above="""
        class Lease:
            def __init__(self, thing):
                self.thing = thing

            def __enter__(self):
                return self.thing

            def __exit__(self, *raised):
                return None
        """,
    ),
    Way(
        "null-context",
        "`nullcontext(subject)`",
        "with nullcontext(subject) as thing:\n    outcome = thing.run(payload, context)",
        "from contextlib import nullcontext",
    ),
    Way(
        "yielded",
        "a generator's values",
        "for thing in each(subject):\n    outcome = thing.run(payload, context)",
        above="def each(*things):\n    yield from things",
    ),
    Way(
        "proxy",
        "`__getattr__` of another object",
        "outcome = Proxy(subject).run(payload, context)",
        above="""
        class Proxy:
            def __init__(self, inner):
                self._inner = inner

            def __getattr__(self, name):
                return getattr(self._inner, name)
        """,
    ),
    Way(
        "callable-object",
        "`__call__` of another object",
        "outcome = Acting(subject)(payload, context)",
        above="""
        class Acting:
            def __init__(self, thing):
                self.thing = thing

            def __call__(self, *given):
                return self.thing.run(*given)
        """,
    ),
    Way(
        "global",
        "a global",
        "global CURRENT\nCURRENT = subject\noutcome = CURRENT.run(payload, context)",
        above="CURRENT = None",
    ),
    Way(
        "default-argument",
        "a default argument",
        "def go(thing=subject):\n    return thing.run(payload, context)\n\noutcome = go()",
    ),
    Way(
        "nonlocal",
        "`nonlocal`",
        "def outer():\n    thing = None\n\n    def fill():\n        nonlocal thing\n        thing = subject\n\n"
        "    fill()\n    return thing.run(payload, context)\n\noutcome = outer()",
    ),
    Way(
        "cached",
        "a cached getter",
        "outcome = kept(subject).run(payload, context)",
        "from functools import lru_cache",
        "@lru_cache\ndef kept(thing):\n    return thing",
    ),
    Way(
        "context-variable",
        "a context variable",
        "CURRENT.set(subject)\noutcome = CURRENT.get().run(payload, context)",
        "from contextvars import ContextVar",
        'CURRENT = ContextVar("CURRENT")',
    ),
    Way(
        "exception",
        "an argument of an exception",
        "try:\n    raise LookupError(subject)\nexcept LookupError as carried:\n"
        "    outcome = carried.args[0].run(payload, context)",
    ),
    Way(
        "subclass-other-method",
        "`super().run` in another method of a subclass",
        "outcome = Louder().go(payload, context)",
        "from runward_service.plugins.builtin.barcode import Barcode",
        "class Louder(Barcode):\n    def go(self, *given):\n        return super().run(*given)",
    ),
)
