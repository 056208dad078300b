"""RWD007: code that no reading sees."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator
from tests.scanner.mutation.sites import SITES, Site
from tests.scanner.mutation.way import Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.bypass import Bypass
    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

IMPORTS = """
import builtins
import importlib
import importlib.util
import runpy
import types
from operator import attrgetter, methodcaller
"""

EXECUTED = {
    "exec": 'exec("subject.run(payload, context)")',
    "eval": 'outcome = eval("subject.run(payload, context)")',
    "compile": 'exec(compile("subject.run(payload, context)", "x", "exec"))',
    "renamed": 'go = eval\noutcome = go("subject.run(payload, context)")',
    "of builtins": 'outcome = builtins.eval("subject.run(payload, context)")',
    "by getattr": 'outcome = getattr(builtins, "ev" + "al")("subject.run(payload, context)")',
    "of __builtins__": 'outcome = vars(builtins)["eval"]("subject.run(payload, context)")',
    "handed to map": 'outcome = list(map(eval, ["subject.run(payload, context)"]))',
    "runpy": 'runpy.run_path(str(payload), {"subject": subject})',
    "FunctionType": "outcome = types.FunctionType(print.__code__, {})(subject)",
    "spec from a file": 'outcome = importlib.util.spec_from_file_location("x", str(payload))',
}

COMPUTED = {
    "getattr": 'outcome = getattr(subject, payload.options["verb"])(payload, context)',
    "getattr by a parameter's text": "outcome = getattr(subject, str(context)[:3])(payload, context)",
    "vars": 'outcome = vars(type(subject))[payload.options["verb"]](subject, payload, context)',
    "attrgetter": 'outcome = attrgetter(payload.options["verb"])(subject)(payload, context)',
    "methodcaller": 'outcome = methodcaller(payload.options["verb"], payload, context)(subject)',
    "__getattribute__": 'outcome = subject.__getattribute__(payload.options["verb"])(payload, context)',
    "in a loop over dir": "outcome = [getattr(subject, name)(payload, context) for name in dir(subject)]",
}

LEAD_NOWHERE = {
    "runpy", "FunctionType", "spec from a file", "getattr by a parameter's text", "in a loop over dir",
}  # fmt: skip
"""Forms that execute or name other things than the plugin's run."""

IMPORTED = {
    "import_module": "outcome = importlib.import_module(str(context))",
    "__import__": "outcome = __import__(str(context))",
    "renamed": "load = importlib.import_module\noutcome = load(str(context))",
    "by getattr": 'outcome = getattr(importlib, "import_module")(str(context))',
    "handed to map": "outcome = list(map(importlib.import_module, [str(context)]))",
    "importlib.__import__": "outcome = importlib.__import__(str(context))",
}


def at_sites(forms: dict[str, str], first: int, source: ServiceSource) -> Iterator[Change]:
    """Each form at two sites, in turn; the first form at every third."""
    for index, (form, code) in enumerate(forms.items()):
        chosen = (
            SITES[::3] if index == 0 else [SITES[(first + index) % len(SITES)], SITES[(first + index + 6) % len(SITES)]]
        )
        for site in chosen:
            whole = Site(
                site.name, site.path, site.function, f"{site.binding.rstrip()}\n{code}", site.imports + IMPORTS
            )
            yield f"{form}, {site.name}", whole.prepared(source)


def executed(forms: dict[str, str]) -> dict[str, Bypass]:
    """The forms that reach the plugin's run, as what the guard can execute."""
    return {form: Way(form, form, code, IMPORTS).bypass for form, code in forms.items() if form not in LEAD_NOWHERE}


DYNAMIC_OPERATORS = (
    Operator("text-executed", "RWD007", "text executed as code", partial(at_sites, EXECUTED, 0), executed(EXECUTED)),
    Operator(
        "attribute-computed",
        "RWD007",
        "an attribute of a plugin by a computed name",
        partial(at_sites, COMPUTED, 3),
        executed(COMPUTED),
    ),
    Operator("import-computed", "RWD007", "an import by a computed name", partial(at_sites, IMPORTED, 7)),
)
