"""RWD003: only the five lifecycle states."""

from __future__ import annotations

from runward_scanner.rules.states import STATES, StateRule, is_outcome


class OnlyLifecycleStates(StateRule):
    """No word but the five stands where a plugin's lifecycle state stands."""

    code = "RWD003"
    title = "A plugin state that is none of the five lifecycle states"
    explanation = """
A plugin is LOADED, INITIALIZED, RUNNING, FAILED or UNAVAILABLE, and nothing else, wherever a state is set,
compared, built, parsed or added to the enum.
"""

    def owns(self, word: str) -> bool:
        """Every word but the outcomes, which are RWD004's."""
        return not is_outcome(word)

    def says(self, word: str) -> str:
        """Name the word and what is allowed."""
        return f"{word} is no plugin state; the states are {', '.join(sorted(STATES))}"
