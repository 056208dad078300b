"""Ways to ``run`` that differ in how the attribute is named."""

from __future__ import annotations

from tests.scanner.mutation.way import Way

PLUGIN = "from runward_service.plugins.base import Plugin"

PERMIT = "from runward_service.plugins.guard import Permit"

WAYS_BY_NAME = (
    Way("direct-call", "`subject.run(…)`", "outcome = subject.run(payload, context)", core=True),
    Way("returned-call", "`return subject.run(…)`", "return subject.run(payload, context)"),
    Way("alias", "the bound method under another name", "go = subject.run\noutcome = go(payload, context)", core=True),
    Way(
        "second-name",
        "the plugin under a harmless name",
        "process = subject\nserver = process\noutcome = server.run(payload, context)",
    ),
    Way(
        "class-function",
        "`Plugin.run(subject, …)`",
        "outcome = Plugin.run(subject, payload, context)",
        PLUGIN,
        core=True,
    ),
    Way(
        "type-of",
        "`type(subject).run(subject, …)`",
        "outcome = type(subject).run(subject, payload, context)",
        core=True,
    ),
    Way("dunder-class", "`subject.__class__.run`", "outcome = subject.__class__.run(subject, payload, context)"),
    Way("mro", "through the classes of the MRO", "outcome = type(subject).__mro__[0].run(subject, payload, context)"),
    Way(
        "vars",
        "`vars(type(subject))['run']`",
        'outcome = vars(type(subject))["run"](subject, payload, context)',
        core=True,
    ),
    Way(
        "dunder-dict",
        "`type(subject).__dict__['run']`",
        'outcome = type(subject).__dict__["run"](subject, payload, context)',
        core=True,
    ),
    Way(
        "dict-get",
        "`__dict__.get` with an added string",
        'outcome = type(subject).__dict__.get("ru" + "n")(subject, payload, context)',
    ),
    Way(
        "descriptor",
        "`run.__get__(subject)`",
        "outcome = type(subject).run.__get__(subject, type(subject))(payload, context)",
    ),
    Way("dunder-func", "`subject.run.__func__`", "outcome = subject.run.__func__(subject, payload, context)"),
    Way("dunder-call", "`subject.run.__call__`", "outcome = subject.run.__call__(payload, context)"),
    Way(
        "getattr",
        "`getattr` with the name written out",
        'outcome = getattr(subject, "run")(payload, context)',
        core=True,
    ),
    Way(
        "getattr-default",
        "`getattr` with a default",
        'go = getattr(subject, "run", None)\noutcome = go and go(payload, context)',
    ),
    Way(
        "getattr-added",
        "`getattr`, strings added",
        'outcome = getattr(subject, "r" + "un")(payload, context)',
        core=True,
    ),
    Way(
        "getattr-f-string",
        "`getattr`, an f-string",
        'middle = "u"\noutcome = getattr(subject, f"r{middle}n")(payload, context)',
    ),
    Way(
        "getattr-join",
        "`getattr`, joined letters",
        'outcome = getattr(subject, "".join(("r", "u", "n")))(payload, context)',
    ),
    Way("getattr-slice", "`getattr`, a reversed string", 'outcome = getattr(subject, "nur"[::-1])(payload, context)'),
    Way("getattr-bytes", "`getattr`, decoded bytes", 'outcome = getattr(subject, b"run".decode())(payload, context)'),
    Way(
        "getattr-hex",
        "`getattr`, bytes from hexadecimal digits",
        'outcome = getattr(subject, bytes.fromhex("72756e").decode())(payload, context)',
    ),
    Way(
        "getattr-chr",
        "`getattr`, characters by number",
        "outcome = getattr(subject, chr(114) + chr(117) + chr(110))(payload, context)",
    ),
    Way(
        "getattr-format", "`getattr`, `str.format`", 'outcome = getattr(subject, "{0}un".format("r"))(payload, context)'
    ),
    Way(
        "getattr-constant",
        "`getattr`, a constant of the module",
        "outcome = getattr(subject, METHOD)(payload, context)",
        above='METHOD = "ru" "n"',
    ),
    Way(
        "getattr-other-module",
        "`getattr`, a constant of another module",
        "outcome = getattr(subject, VERB)(payload, context)",
        "from runward_service.domain.words import VERB",
        files={"domain/words.py": '"""Words."""\n\nVERB = "run"\n'},
    ),
    Way(
        "getattr-loop",
        "`getattr`, one of several names in a loop",
        'for verb in ("setup", "run"):\n    step = getattr(subject, verb)\noutcome = step(payload, context)',
    ),
    Way("dunder-getattribute", "`__getattribute__`", 'outcome = subject.__getattribute__("run")(payload, context)'),
    Way(
        "object-getattribute",
        "`object.__getattribute__`",
        'outcome = object.__getattribute__(subject, "run")(payload, context)',
    ),
    Way(
        "getattr-static",
        "`inspect.getattr_static`",
        'outcome = inspect.getattr_static(subject, "run")(subject, payload, context)',
        "import inspect",
    ),
    Way(
        "getmembers",
        "`dict(inspect.getmembers(subject))['run']`",
        'outcome = dict(inspect.getmembers(subject))["run"](payload, context)',
        "import inspect",
    ),
    Way(
        "methodcaller",
        "`operator.methodcaller('run', …)`",
        'outcome = methodcaller("run", payload, context)(subject)',
        "from operator import methodcaller",
        core=True,
    ),
    Way(
        "attrgetter",
        "`operator.attrgetter('run')`",
        'outcome = attrgetter("run")(subject)(payload, context)',
        "from operator import attrgetter",
        core=True,
    ),
    Way(
        "operator-call",
        "`operator.call`",
        "outcome = operator.call(subject.run, payload, context)",
        "import operator",
        core=True,
    ),
    Way(
        "method-type",
        "`types.MethodType`",
        "outcome = types.MethodType(type(subject).run, subject)(payload, context)",
        "import types",
    ),
    Way(
        "super-object",
        "`super(type(subject), subject)`",
        "outcome = super(type(subject), subject).run(payload, context)",
    ),
    Way(
        "permit-taken",
        "with a permit of the guard",
        "with Permit(subject):\n    outcome = subject.run(payload, context)",
        PERMIT,
    ),
    Way(
        "permit-appointed",
        "a function appointed to hold the guard's permits",
        "outcome = hold(subject, payload, context)",
        PERMIT,
        """
        @Permit.appoint
        def hold(thing, *given):
            with Permit(thing):
                return thing.run(*given)
        """,
    ),
)
