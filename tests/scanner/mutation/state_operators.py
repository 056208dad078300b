"""RWD003 and RWD004: states that do not exist, and outcomes or job statuses in the place of states."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.draft import Draft
    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

MISSPELT = {
    "LOADED": "LOADDED",
    "INITIALIZED": "INITIALISED",
    "RUNNING": "RUNING",
    "FAILED": "FAILURE",
    "UNAVAILABLE": "UNAVALIABLE",
}
ENUM = "domain/plugin_state.py"
REGISTRY = "plugins/registry.py"
MOST_OF_A_FILE = 4
USES_STATE = "from runward_service.domain.plugin_state import PluginState"
USES_STATUS = "from runward_service.domain.job import JobStatus"


def state_uses(source: ServiceSource) -> Iterator[tuple[str, Draft, ast.Attribute]]:
    """Where the code names a state, at most a few places of each file."""
    for path in sorted(source.files):
        draft = source.draft(path)
        found = [node for node in ast.walk(draft.tree) if isinstance(node, ast.Attribute) and _is_state(node)]
        found.sort(key=lambda node: (node.lineno, node.col_offset))
        for node in found[:: max(1, len(found) // MOST_OF_A_FILE)][:MOST_OF_A_FILE]:
            yield f"{path}:{draft.owner(node) or 'module'}:{node.attr}", draft, node


def _is_state(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "PluginState" and node.attr in MISSPELT


def added(rule_names: tuple[str, ...], source: ServiceSource) -> Iterator[Change]:
    """A member more in the enum, or another enum of its words."""
    draft = source.draft(ENUM)
    last = draft.klass("PluginState").body[-1]
    for name in rule_names:
        yield f"{name} at the end", draft.after(last, f'{name} = "{name}"')
    first = rule_names[0]
    yield "under a legal value", draft.after(last, f'{first} = "LOADED_TOO"')
    made = f'PluginState = Enum("PluginState", "LOADED INITIALIZED RUNNING FAILED UNAVAILABLE {first}")'
    yield "made by a call", draft.extended(made)
    words = "".join(f'    {word} = "{word}"\n' for word in (*MISSPELT, first))
    yield (
        "a second enum",
        source.draft(REGISTRY).importing("from enum import Enum").extended(f"class EntryState(Enum):\n{words}"),
    )


def misspelt(source: ServiceSource) -> Iterator[Change]:
    """A state's name with a slip, wherever one stands."""
    for site, draft, node in state_uses(source):
        yield site, draft.replaced(node, f"PluginState.{MISSPELT[node.attr]}")


def outcome_as_state(source: ServiceSource) -> Iterator[Change]:
    """SUCCESS or ERROR, wherever a state stands."""
    for site, draft, node in state_uses(source):
        word = "ERROR" if node.attr in {"FAILED", "UNAVAILABLE"} else "SUCCESS"
        yield site, draft.replaced(node, f"PluginState.{word}")


WRITTEN = {
    "assigned": 'entry.state = "{word}"',
    "compared": 'usable = entry.state == "{word}"',
    "compared by value": 'usable = entry.state.value == "{word}"',
    "compared by name": 'usable = entry.state.name != "{word}"',
    "one of several": 'usable = entry.state in ("RUNNING", "{word}")',
    "parsed by value": 'entry.state = PluginState("{word}")',
    "parsed by name": 'entry.state = PluginState["{word}"]',
    "by getattr": 'entry.state = getattr(PluginState, "{word}")',
    "by setattr": 'setattr(entry, "state", "{word}")',
    "handed to move_to": 'entry.move_to("{word}")',
    "by an alias of the enum": "states = PluginState\nentry.state = states.{word}",
    "by a constant": 'word = "{word}"\nentry.state = word',
    "at_rest": 'entry.at_rest = "{word}"',
    "a case": 'match entry.state:\n    case "{word}":\n        pass',
    "a keyword": 'entry = PluginEntry(entry.source, name, state="{word}")',
    "replaced": 'entry = replace(entry, state="{word}")',
}


def written(word: str, source: ServiceSource) -> Iterator[Change]:
    """A word in each form in which a state is set, compared, built or parsed."""
    for site, code in WRITTEN.items():
        draft = source.draft(REGISTRY)
        counted = draft.statement(draft.function("PluginRegistry.end_run"), "in_flight -=")
        imports = "from dataclasses import replace" if "replace(" in code else ""
        yield site, draft.after(counted, code.format(word=word)).importing(imports)


def written_elsewhere(word: str, source: ServiceSource) -> Iterator[Change]:
    """A word where other layers look at states."""
    service = source.draft("execution/plugin_execution_service.py")
    test = f'if entry.state == "{word}":\n    return entry.description'
    refusal = service.function("PluginExecutionService.admit").body[2]
    yield "plugin service", service.before(refusal, test)
    scheduler = source.draft("execution/scheduler.py").importing(USES_STATE)
    yield "scheduler", scheduler.begun("Scheduler._plugin_changed", f'idle = entry.state is PluginState["{word}"]')
    health = source.draft("api/health_servicer.py")
    yield "health servicer", health.begun("HealthServicer._plugin_changed", f'idle = entry.state.value == "{word}"')
    conversion = source.draft("api/conversion.py")
    constant = f"state=plugins_pb2.PLUGIN_STATE_{word},"
    old = 'state=plugins_pb2.PluginState.Value(f"PLUGIN_STATE_{entry.state.name}"),'
    yield "conversion's constant", conversion.substituted(conversion.function("plugin_to_proto"), old, constant)
    by_name = f'state=plugins_pb2.PluginState.Value("PLUGIN_STATE_{word}"),'
    yield "conversion by name", conversion.substituted(conversion.function("plugin_to_proto"), old, by_name)
    catalog = source.draft("execution/plugin_catalog.py").importing(USES_STATE)
    yield "plugin catalog", catalog.begun("PluginCatalog._views", f'busy = [e for e in entries if e.state == "{word}"]')
    startup = source.draft("runtime/worker_startup.py")
    yield "worker startup", startup.begun("WorkerStartup._end", f'self._entry.state = "{word}"')


def mixed(source: ServiceSource) -> Iterator[Change]:
    """A job's status where a plugin's state belongs."""
    registry = source.draft(REGISTRY).importing(USES_STATUS)
    succeeded = "JobStatus.SUCCESS if succeeded else JobStatus.FAILED"
    old = "PluginState.INITIALIZED if succeeded else PluginState.FAILED"
    yield "at_rest", registry.substituted(registry.function("PluginRegistry.end_run"), old, succeeded)
    yield "state assigned", registry.begun("PluginRegistry._changed", "entry.state = JobStatus.SUCCESS")
    yield "state compared", registry.begun("PluginRegistry._changed", "done = entry.state is JobStatus.SUCCESS")
    yield "move_to", registry.begun("PluginRegistry._changed", "entry.move_to(JobStatus.SUCCESS)")
    health = source.draft("api/health_servicer.py").importing(USES_STATUS)
    usable = "entry.state is not JobStatus.SUCCESS"
    yield (
        "health servicer",
        health.substituted(
            health.function("HealthServicer._status"), "entry.state is not PluginState.UNAVAILABLE", usable
        ),
    )
    runner = source.draft("runtime/tool_runner.py")
    ended = 'self._registry.get(plugin).state = "SUCCESS" if succeeded else "ERROR"'
    yield "ToolRunner's words", runner.begun("ToolRunner.update_execution_metrics", ended)


STATE_OPERATORS = (
    Operator("state-added", "RWD003", "a sixth state", partial(added, ("READY", "DISABLED", "DRAINING"))),
    Operator("state-misspelt", "RWD003", "a state's name with a slip", misspelt),
    Operator("state-written", "RWD003", "an unknown word set, compared, built or parsed", partial(written, "STOPPED")),
    Operator(
        "state-written-elsewhere", "RWD003", "an unknown word in other layers", partial(written_elsewhere, "PAUSED")
    ),
    Operator("outcome-added", "RWD004", "SUCCESS or ERROR as a member", partial(added, ("SUCCESS", "ERROR"))),
    Operator("outcome-as-state", "RWD004", "SUCCESS or ERROR where a state stands", outcome_as_state),
    Operator("outcome-written", "RWD004", "an outcome set, compared, built or parsed", partial(written, "SUCCESS")),
    Operator("outcome-written-elsewhere", "RWD004", "an outcome in other layers", partial(written_elsewhere, "ERROR")),
    Operator("status-as-state", "RWD004", "a job's status where a state belongs", mixed),
)
