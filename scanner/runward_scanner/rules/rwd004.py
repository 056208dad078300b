"""RWD004: SUCCESS and ERROR are outcomes, never lifecycle states."""

from __future__ import annotations

from runward_scanner.rules.states import StateRule, is_outcome


class OutcomesAreNoStates(StateRule):
    """SUCCESS and ERROR stand in metrics and job statuses, never where a plugin's state stands."""

    code = "RWD004"
    title = "SUCCESS or ERROR as a plugin state"
    explanation = """
SUCCESS and ERROR are outcomes that metrics count; JobStatus.SUCCESS is a job's status. Neither is ever a
plugin's state: after a success that is INITIALIZED, after a failure FAILED.
"""

    def owns(self, word: str) -> bool:
        """The two outcomes."""
        return is_outcome(word)

    def says(self, word: str) -> str:
        """Name the word and what to use."""
        instead = "INITIALIZED" if word.upper().endswith("SUCCESS") else "FAILED"
        return f"{word} is an outcome, not a plugin state; the state is {instead}"
