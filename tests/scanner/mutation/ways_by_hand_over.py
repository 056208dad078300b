"""Ways to ``run`` that hand it on for something else to call."""

from __future__ import annotations

from tests.scanner.mutation.way import Way

WAYS_BY_HAND_OVER = (
    Way(
        "partial",
        "`functools.partial`",
        "outcome = partial(subject.run, payload)(context)",
        "from functools import partial",
        core=True,
    ),
    Way(
        "partial-method",
        "`functools.partial` of a lambda's result",
        "outcome = partial(lambda thing, *given: thing.run(*given), subject)(payload, context)",
        "from functools import partial",
    ),
    Way("map", "`map(subject.run, …)`", "outcome = list(map(subject.run, [payload], [context]))", core=True),
    Way(
        "starmap",
        "`itertools.starmap`",
        "outcome = list(starmap(subject.run, [(payload, context)]))",
        "from itertools import starmap",
    ),
    Way(
        "map-lambda", "`map` with a lambda", "outcome = list(map(lambda thing: thing.run(payload, context), [subject]))"
    ),
    Way(
        "map-methodcaller",
        "`map` with a methodcaller",
        'outcome = list(map(methodcaller("run", payload, context), [subject]))',
        "from operator import methodcaller",
    ),
    Way(
        "executor-submit",
        "`executor.submit`",
        "with ThreadPoolExecutor(1) as executor:\n"
        "    outcome = executor.submit(subject.run, payload, context).result()",
        "from concurrent.futures import ThreadPoolExecutor",
        core=True,
    ),
    Way(
        "executor-map",
        "`executor.map`",
        "with ThreadPoolExecutor(1) as executor:\n    outcome = list(executor.map(subject.run, [payload], [context]))",
        "from concurrent.futures import ThreadPoolExecutor",
    ),
    Way(
        "run-in-executor",
        "`loop.run_in_executor`",
        "outcome = asyncio.get_running_loop().run_in_executor(None, subject.run, payload, context)",
        "import asyncio",
        core=True,
    ),
    Way(
        "to-thread",
        "`asyncio.to_thread`",
        "outcome = asyncio.to_thread(subject.run, payload, context)",
        "import asyncio",
        core=True,
    ),
    Way(
        "call-soon",
        "`loop.call_soon`",
        "outcome = asyncio.get_running_loop().call_soon(subject.run, payload, context)",
        "import asyncio",
    ),
    Way(
        "done-callback",
        "`add_done_callback` with a lambda",
        "waiting = asyncio.get_running_loop().create_future()\n"
        "waiting.add_done_callback(lambda _: subject.run(payload, context))\n"
        "waiting.set_result(None)",
        "import asyncio",
    ),
    Way(
        "thread-target",
        "`Thread(target=…)`",
        "outcome = threading.Thread(target=subject.run, args=(payload, context)).start()",
        "import threading",
        core=True,
    ),
    Way(
        "timer",
        "`threading.Timer`",
        "outcome = threading.Timer(0, subject.run, (payload, context)).start()",
        "import threading",
    ),
    Way(
        "thread-subclass",
        "a Thread whose own run runs it",
        "outcome = Runner(subject, payload, context).start()",
        "import threading",
        """
        class Runner(threading.Thread):
            def __init__(self, thing, *given):
                super().__init__()
                self.thing, self.given = thing, given

            def run(self):
                self.thing.run(*self.given)
        """,
    ),
    Way(
        "process-target",
        "`multiprocessing.Process(target=…)`",
        "outcome = multiprocessing.Process(target=subject.run, args=(payload, context)).start()",
        "import multiprocessing",
    ),
    Way(
        "contextvars-run",
        "`contextvars.copy_context().run`",
        "outcome = contextvars.copy_context().run(subject.run, payload, context)",
        "import contextvars",
    ),
    Way(
        "exit-stack",
        "`ExitStack.callback`",
        "with contextlib.ExitStack() as stack:\n    stack.callback(subject.run, payload, context)",
        "import contextlib",
    ),
    Way("atexit", "`atexit.register`", "outcome = atexit.register(subject.run, payload, context)", "import atexit"),
    Way(
        "finalizer",
        "`weakref.finalize`",
        "outcome = weakref.finalize(subject, type(subject).run, subject, payload, context)()",
        "import weakref",
    ),
    Way(
        "sort-key",
        "a key of `sorted`",
        "outcome = sorted([payload], key=lambda given: len(subject.run(given, context)))",
    ),
    Way(
        "reduce",
        "`functools.reduce`",
        "outcome = reduce(subject.run, [payload, context])",
        "from functools import reduce",
    ),
    Way(
        "iter-sentinel",
        "`iter(callable, sentinel)`",
        "outcome = next(iter(lambda: subject.run(payload, context), None))",
    ),
    Way(
        "decorator",
        "a decorator that is given the plugin",
        "outcome = governed(subject)(lambda output: output)(payload, context)",
        above="""
        def governed(thing):
            def around(function):
                def call(*given):
                    return function(thing.run(*given))

                return call

            return around
        """,
        core=True,
    ),
    Way(
        "decorated",
        "a function that a decorator replaces by one that runs",
        """
        @execute_with(subject)
        def go(output):
            return output

        outcome = go(payload, context)
        """,
        above="""
        def execute_with(thing):
            return lambda function: lambda *given: function(thing.run(*given))
        """,
    ),
    Way("lambda", "a lambda", "go = lambda: subject.run(payload, context)\noutcome = go()", core=True),
    Way("lambda-parameter", "a lambda's parameter", "outcome = (lambda thing: thing.run(payload, context))(subject)"),
    Way(
        "closure",
        "a function in the function",
        "def go():\n    return subject.run(payload, context)\n\noutcome = go()",
        core=True,
    ),
    Way(
        "helper",
        "a helper of the module",
        "outcome = hand_over(subject, payload, context)",
        above="def hand_over(thing, *given):\n    return thing.run(*given)",
        core=True,
    ),
    Way(
        "helper-elsewhere",
        "a helper in another module",
        "outcome = hand_over(subject, payload, context)",
        "from runward_service.domain.hand_over import hand_over",
        files={
            "domain/hand_over.py": '"""Hands over."""\n\n\ndef hand_over(thing, *given):\n'
            '    """Hand over."""\n    return thing.run(*given)\n'
        },
        core=True,
    ),
    Way(
        "keyword-helper",
        "a helper that takes the method by keyword",
        "outcome = apply(action=subject.run, given=(payload, context))",
        above="def apply(*, action, given):\n    return action(*given)",
    ),
    Way(
        "registered",
        "a table of handlers",
        'HANDLERS["image"] = subject.run\noutcome = HANDLERS["image"](payload, context)',
        above="HANDLERS = {}",
    ),
)
