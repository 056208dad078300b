"""RWD001: every way to a plugin's run, at places of the real service."""

from __future__ import annotations

from functools import partial
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.scanner.mutation.bypass import Bypass
from tests.scanner.mutation.draft import Draft
from tests.scanner.mutation.mutant import Mutant
from tests.scanner.mutation.mutation_operator import Operator
from tests.scanner.mutation.sites import SITES, Site
from tests.scanner.mutation.ways_by_binding import WAYS_BY_BINDING
from tests.scanner.mutation.ways_by_hand_over import WAYS_BY_HAND_OVER
from tests.scanner.mutation.ways_by_name import WAYS_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource
    from tests.scanner.mutation.way import Way

WAYS = (*WAYS_BY_NAME, *WAYS_BY_HAND_OVER, *WAYS_BY_BINDING)
CORE_SITES, OTHER_SITES = 2, 1


class WayOperator(Operator):
    """An operator whose mutants can also be executed by themselves."""

    def mutants(self, source: ServiceSource) -> list[Mutant]:
        """Every mutant of the operator, with what the guard can execute."""
        way = next(way for way in WAYS if way.name == self.name)
        return [
            Mutant(mutant.operator, mutant.site, mutant.rule, {**mutant.files, **way.files}, way.bypass)
            for mutant in Operator.mutants(self, source)
        ]


def sites_of(index: int, way: Way) -> tuple[Site, ...]:
    """Where a way is tried: a direct call everywhere, others in turn, so that each site gets about as many."""
    if way.name == "direct-call":
        return SITES
    count = CORE_SITES if way.core else OTHER_SITES
    return tuple(SITES[(index + 5 * step) % len(SITES)] for step in range(count))


def take(index: int, way: Way, source: ServiceSource) -> Iterator[Change]:
    """Take a way at its sites."""
    for site in sites_of(index, way):
        yield site.name, site.taken(source, way)


def second_class(source: ServiceSource) -> Iterator[Change]:
    """A second class of the name, in whose methods a plugin is run."""
    code = """
    class ToolRunner:
        def run(self, plugin, payload, context):
            return plugin.run(payload, context)
    """
    for path in ("execution/scheduler.py", "runtime/worker_pool.py", "plugins/registry.py"):
        yield path, source.draft(path).extended(code)
    nested = "class ToolRunner:\n    go = staticmethod(lambda plugin, *given: plugin.run(*given))"
    yield "in a function", source.draft("runtime/host.py").begun("failure_of", nested)
    made = 'ToolRunner = type("ToolRunner", (), {"go": lambda self, plugin, *given: plugin.run(*given)})'
    yield "made by type()", source.draft("execution/recovery.py").extended(made)
    new = Draft("execution/tool_runner.py", f'"""Runs."""\n\n\n{Draft("", "").extended(code).text.strip()}\n')
    yield "a file of the same name", new


def replaced_run(source: ServiceSource) -> Iterator[Change]:
    """A plugin's run is replaced by something that runs it otherwise."""
    plugin = "from runward_service.plugins.base import Plugin"
    barcode = "from runward_service.plugins.builtin.barcode import Barcode"
    host = source.draft("runtime/host.py")
    yield "assigned in the host", host.begun("Host._run_job", "plugin.run = lambda *given: {}")
    registry = source.draft("plugins/registry.py").importing(plugin)
    yield "assigned to the base class", registry.extended("Plugin.run = lambda self, payload, context: {}")
    setting = source.draft("bootstrap.py").importing(plugin).begun("build", 'setattr(Plugin, "r" + "un", print)')
    yield "by setattr", setting
    builtin = source.draft("plugins/builtin/image_info.py").importing(barcode)
    yield "of another built-in plugin", builtin.extended("Barcode.run = ImageInfo.run")


def handed_out(source: ServiceSource) -> Iterator[Change]:
    """ToolRunner gives a plugin's run away."""
    draft = source.draft("runtime/tool_runner.py")
    inside = draft.klass("ToolRunner").body[-1]
    given = "\n@staticmethod\ndef runnable(plugin):\n    return plugin.run"
    yield "returned by a method", draft.after(inside, given)
    worker = draft.function("ToolRunner.run_plugin")
    yield "kept in a global", draft.before(worker.body[1], "LAST.append(plugin.run)").extended("LAST = []")


def written(code: str) -> Bypass:
    """A bypass that is written out."""
    return Bypass(dedent(code))


SECOND_CLASS = written(
    """
    class ToolRunner:
        def run(self, plugin, payload, context):
            return plugin.run(payload, context)

    def bypass(subject, payload, context):
        return ToolRunner().run(subject, payload, context)
    """
)
SECOND_CLASSES = {
    "execution/scheduler.py": SECOND_CLASS,
    "runtime/worker_pool.py": SECOND_CLASS,
    "plugins/registry.py": SECOND_CLASS,
    "a file of the same name": SECOND_CLASS,
    "in a function": written(
        """
        def bypass(subject, payload, context):
            class ToolRunner:
                go = staticmethod(lambda plugin, *given: plugin.run(*given))

            return ToolRunner.go(subject, payload, context)
        """
    ),
    "made by type()": written(
        """
        ToolRunner = type("ToolRunner", (), {"go": lambda self, plugin, *given: plugin.run(*given)})

        def bypass(subject, payload, context):
            return ToolRunner().go(subject, payload, context)
        """
    ),
}
REPLACED = {
    "assigned in the host": written(
        """
        def bypass(plugin, payload, context):
            plugin.run = lambda *given: {}
        """
    ),
}
HANDED_OUT = {
    "returned by a method": written(
        """
        class ToolRunner:
            @staticmethod
            def runnable(plugin):
                return plugin.run

        def bypass(subject, payload, context):
            return ToolRunner.runnable(subject)(payload, context)
        """
    ),
    "kept in a global": written(
        """
        LAST = []

        def bypass(subject, payload, context):
            LAST.append(subject.run)
            return LAST[0](payload, context)
        """
    ),
}

RUN_OPERATORS = (
    *(WayOperator(way.name, way.rule, way.about, partial(take, index, way)) for index, way in enumerate(WAYS)),
    Operator("second-tool-runner", "RWD001", "another class named ToolRunner", second_class, SECOND_CLASSES),
    Operator("run-replaced", "RWD001", "a plugin's `run` replaced", replaced_run, REPLACED),
    Operator("run-handed-out", "RWD001", "ToolRunner hands `run` out", handed_out, HANDED_OUT),
)
