"""What each rule means, for ``--explain``."""

from __future__ import annotations

from runward_scanner.rules import RULES


def explain(code: str) -> str | None:
    """The rule's explanation; None where there is no such rule."""
    rule = next((item for item in RULES if item.code == code.upper()), None)
    if rule is None:
        return None
    return f"{rule.code}: {rule.title}\n\n{rule.explanation.strip()}\n"


def codes() -> tuple[str, ...]:
    """The rules' codes in order."""
    return tuple(rule.code for rule in RULES)
