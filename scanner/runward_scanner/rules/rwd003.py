"""RWD003: only the five lifecycle states."""

from __future__ import annotations

from runward_scanner.rules import rwd004
from runward_scanner.rules.state_reading import StateReading
from runward_scanner.rules.state_words import STATES, is_outcome


class OnlyLifecycleStates(StateReading):
    """No word but the five stands where a plugin's lifecycle state stands; the one reading serves RWD004 too."""

    code = "RWD003"
    title = "A plugin state that is none of the five lifecycle states"
    explanation = """
A plugin is LOADED, INITIALIZED, RUNNING, FAILED or UNAVAILABLE, and nothing else, wherever a state is set,
compared, built, parsed or added to the enum.
"""

    def says(self, word: str) -> tuple[str, str]:
        """Name the word and what is allowed; the outcomes are RWD004's."""
        if is_outcome(word):
            return rwd004.OutcomesAreNoStates.code, rwd004.OutcomesAreNoStates.says(word)
        return self.code, f"{word} is no plugin state; the states are {', '.join(sorted(STATES))}"
