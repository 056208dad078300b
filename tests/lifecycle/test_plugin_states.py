"""The states of a plugin: the entry and the registry, without workers."""

from __future__ import annotations

import itertools

import pytest

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.job import JobStatus
from runward_service.domain.plugin_description import PluginDescription
from runward_service.domain.plugin_state import PLUGIN_TRANSITIONS, PluginState
from runward_service.plugins.loader import PluginSource
from runward_service.plugins.registry import IllegalTransition, PluginEntry, PluginRegistry

LOADED, INITIALIZED, RUNNING, FAILED, UNAVAILABLE = PluginState
ILLEGAL = {
    (LOADED, FAILED),
    (INITIALIZED, LOADED),
    (INITIALIZED, FAILED),
    (RUNNING, LOADED),
    (FAILED, LOADED),
    (FAILED, INITIALIZED),
}
"""A state of rest never changes without a run, and nothing is ever merely found again."""


def description(name: str = "tool", **changes: object) -> PluginDescription:
    """What a worker says of a plugin."""
    fields: dict[str, object] = {
        "name": name,
        "version": "1",
        "description": "",
        "mime_types": ("image/png",),
        "options_schema": {"type": "object"},
        "timeout": 1.0,
        "memory_bytes": 1,
        "concurrency": 2,
        "max_attempts": 2,
        "cacheable": False,
        "deterministic": True,
        "setup_timeout": 1.0,
    }
    return PluginDescription(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
async def registry() -> PluginRegistry:
    """An empty registry."""
    return PluginRegistry()


@pytest.fixture
async def entry(registry: PluginRegistry) -> PluginEntry:
    """A plugin that was found and described and whose setup is not over."""
    added = registry.add(PluginSource("module:Tool"))
    registry.describe(added, description())
    return added


def test_there_are_five_states() -> None:
    """The five of the specification; SUCCESS and ERROR, which are outcomes, are none of them."""
    assert [state.value for state in PluginState] == ["LOADED", "INITIALIZED", "RUNNING", "FAILED", "UNAVAILABLE"]
    assert {"SUCCESS", "ERROR"}.isdisjoint(PluginState.__members__)
    assert {"SUCCESS", "ERROR"}.isdisjoint(state.value for state in PluginState)
    assert not any(isinstance(state, JobStatus) for state in PluginState)


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(PluginState, PluginState)), ids=lambda state: state.name
)
def test_an_entry_moves_as_the_table_says(before: PluginState, after: PluginState) -> None:
    """Each move between two states is legal or raises; staying is no move."""
    entry = PluginEntry(PluginSource("module:Tool"), "tool", state=before)
    assert ((before, after) not in ILLEGAL) == (before is after or after in PLUGIN_TRANSITIONS[before])
    if (before, after) in ILLEGAL:
        with pytest.raises(IllegalTransition, match=f"tool: {before.value} to {after.value}"):
            entry.move_to(after)
        assert entry.state is before
    else:
        entry.move_to(after)
        assert entry.state is after


def test_a_plugin_is_loaded_when_found(registry: PluginRegistry) -> None:
    """It is in the list under what it was named, before anything is known of it."""
    entry = registry.add(PluginSource("module:Tool"))
    assert (entry.name, entry.state, entry.description) == ("module:Tool", LOADED, None)
    assert registry.entries() == [entry]


def test_a_description_gives_a_name_and_no_state(registry: PluginRegistry, entry: PluginEntry) -> None:
    """Described is not set up: still LOADED, found by its real name alone."""
    assert entry.state is LOADED
    assert registry.get("tool") is entry
    with pytest.raises(GovernedError) as caught:
        registry.get("module:Tool")
    assert caught.value.reason is ErrorReason.PLUGIN_NOT_FOUND
    assert caught.value.details == {"plugins": ["tool"]}


def test_setup_initializes_once(registry: PluginRegistry, entry: PluginEntry) -> None:
    """The first worker that is ready makes it INITIALIZED; a later one does not cover up a failed run."""
    registry.finish_setup(entry)
    assert entry.state is INITIALIZED
    registry.begin_run("tool")
    registry.end_run("tool", succeeded=False)
    registry.finish_setup(entry)
    assert entry.state is FAILED


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_run_decides(registry: PluginRegistry, entry: PluginEntry, *, succeeded: bool) -> None:
    """RUNNING while it is in flight, then INITIALIZED or FAILED."""
    registry.finish_setup(entry)
    registry.begin_run("tool")
    assert (entry.state, entry.in_flight) == (RUNNING, 1)
    registry.end_run("tool", succeeded=succeeded)
    assert (entry.state, entry.in_flight) == (INITIALIZED if succeeded else FAILED, 0)


@pytest.mark.parametrize("outcomes", list(itertools.product([True, False], repeat=3)))
def test_of_several_runs_the_last_decides(
    registry: PluginRegistry, entry: PluginEntry, outcomes: tuple[bool, ...]
) -> None:
    """RUNNING until the last in flight has ended; then that one's outcome, whatever the others came to."""
    registry.finish_setup(entry)
    for _ in outcomes:
        registry.begin_run("tool")
    for outcome in outcomes[:-1]:
        registry.end_run("tool", succeeded=outcome)
        assert entry.state is RUNNING
    registry.end_run("tool", succeeded=outcomes[-1])
    assert entry.state is (INITIALIZED if outcomes[-1] else FAILED)


def test_failed_recovers_with_the_next_success(registry: PluginRegistry, entry: PluginEntry) -> None:
    """FAILED, RUNNING, INITIALIZED: nothing else is needed."""
    registry.finish_setup(entry)
    seen = []
    registry.listen(lambda changed: seen.append(changed.state))
    for succeeded in (False, False, True):
        registry.begin_run("tool")
        registry.end_run("tool", succeeded=succeeded)
    assert seen == [RUNNING, FAILED, RUNNING, FAILED, RUNNING, INITIALIZED]


@pytest.mark.parametrize("rest", [LOADED, INITIALIZED, FAILED])
def test_enabling_gives_the_state_back(registry: PluginRegistry, entry: PluginEntry, rest: PluginState) -> None:
    """UNAVAILABLE while disabled, with the reason; afterwards the state that it would have had."""
    if rest is not LOADED:
        registry.finish_setup(entry)
    if rest is FAILED:
        registry.begin_run("tool")
        registry.end_run("tool", succeeded=False)
    registry.disable("tool", "it lies")
    assert (entry.state, entry.state_reason) == (UNAVAILABLE, "disabled: it lies")
    registry.disable("tool", "")
    assert (entry.state, entry.state_reason) == (UNAVAILABLE, "disabled")
    registry.enable("tool")
    assert (entry.state, entry.state_reason) == (rest, "")
    registry.enable("tool")
    assert entry.state is rest


def test_disabling_does_not_end_runs(registry: PluginRegistry, entry: PluginEntry) -> None:
    """Disabled with a run in flight it is UNAVAILABLE at once; the run's end shows when it is enabled again."""
    registry.finish_setup(entry)
    registry.begin_run("tool")
    registry.disable("tool", "")
    assert (entry.state, entry.in_flight) == (UNAVAILABLE, 1)
    registry.enable("tool")
    assert entry.state is RUNNING
    registry.disable("tool", "")
    registry.end_run("tool", succeeded=False)
    assert entry.state is UNAVAILABLE
    registry.enable("tool")
    assert entry.state is FAILED


def test_setup_does_not_enable(registry: PluginRegistry, entry: PluginEntry) -> None:
    """A worker that becomes ready while the plugin is disabled changes what it will be, not what it is."""
    registry.disable("tool", "")
    registry.finish_setup(entry)
    assert entry.state is UNAVAILABLE
    registry.enable("tool")
    assert entry.state is INITIALIZED


def test_what_cannot_load_is_unavailable_until_it_can(registry: PluginRegistry, entry: PluginEntry) -> None:
    """A failed start makes it UNAVAILABLE with the reason, enabling does not help, a worker that comes up does."""
    registry.fail_loading(entry, "no model")
    assert (entry.state, entry.state_reason) == (UNAVAILABLE, "no model")
    registry.disable("tool", "")
    registry.enable("tool")
    assert (entry.state, entry.state_reason) == (UNAVAILABLE, "no model")
    registry.finish_setup(entry)
    assert (entry.state, entry.state_reason) == (INITIALIZED, "")


def test_a_name_belongs_to_one_plugin(registry: PluginRegistry, entry: PluginEntry) -> None:
    """The second with a name is UNAVAILABLE under what it was found as and says whose the name is; the first is not
    touched.
    """
    twin = registry.add(PluginSource("module:Twin"))
    registry.describe(twin, description())
    assert (twin.name, twin.state) == ("module:Twin", UNAVAILABLE)
    assert twin.state_reason == "the name 'tool' is taken by module:Tool"
    assert registry.get("tool") is entry
    assert entry.state is LOADED


def test_an_installed_plugin_has_the_name_that_it_was_entered_under(registry: PluginRegistry) -> None:
    """An entry point that leads to a class of another name is UNAVAILABLE, else a call for its name would never be
    answered.
    """
    entry = registry.add(PluginSource("module:Tool", "hammer"))
    registry.describe(entry, description("tool"))
    assert entry.state is UNAVAILABLE
    assert registry.get("hammer").state_reason == "its class is named 'tool', but it was entered as 'hammer'"


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"$ref": "http://127.0.0.1:9/x.json"}, {"pattern": 3}])
def test_a_bad_schema_makes_unavailable(registry: PluginRegistry, schema: dict[str, object]) -> None:
    """What is no JSON Schema, or refers outside itself, is refused when the plugin is described, not when called."""
    entry = registry.add(PluginSource("module:Tool"))
    registry.describe(entry, description(options_schema=schema))
    assert entry.state is UNAVAILABLE
    assert entry.state_reason.startswith("options_schema is not a JSON Schema")
    registry.finish_setup(entry)  # its worker is set up before it hears that it is of no use
    assert entry.state is UNAVAILABLE


def test_disabled_before_this_process(registry: PluginRegistry) -> None:
    """What an operator disabled in an earlier run is UNAVAILABLE from its description on."""
    registry.restore_disabled({"tool": "since yesterday"})
    entry = registry.add(PluginSource("module:Tool"))
    registry.describe(entry, description())
    assert (entry.state, entry.state_reason) == (UNAVAILABLE, "disabled: since yesterday")
    registry.finish_setup(entry)
    assert entry.state is UNAVAILABLE
    registry.enable("tool")
    assert entry.state is INITIALIZED


async def test_an_unknown_plugin_is_not_found(registry: PluginRegistry, entry: PluginEntry) -> None:
    """Once every plugin is described, a name that none has is refused at once, and the names that there are given."""
    del entry
    with pytest.raises(GovernedError) as caught:
        await registry.resolve("hammer")
    assert caught.value.reason is ErrorReason.PLUGIN_NOT_FOUND
    assert caught.value.details == {"plugins": ["tool"]}
