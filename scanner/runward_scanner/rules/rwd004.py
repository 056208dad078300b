"""RWD004: SUCCESS and ERROR are outcomes, never lifecycle states."""

from __future__ import annotations

from runward_scanner.rule import Rule


class OutcomesAreNoStates(Rule):
    """SUCCESS and ERROR stand in metrics and job statuses, never where a state stands; RWD003 reads for both."""

    code = "RWD004"
    title = "SUCCESS or ERROR as a plugin state"
    explanation = """
SUCCESS and ERROR are outcomes that metrics count; JobStatus.SUCCESS is a job's status. Neither is ever a
plugin's state: after a success that is INITIALIZED, after a failure FAILED.
"""

    @staticmethod
    def says(word: str) -> str:
        """Name the word and what to use."""
        instead = "INITIALIZED" if word.upper().endswith("SUCCESS") else "FAILED"
        return f"{word} is an outcome, not a plugin state; the state is {instead}"
