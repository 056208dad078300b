"""Governance violations: what goes around ToolRunner is logged where it happens, then refused."""

from __future__ import annotations

import logging

logger = logging.getLogger("runward.governance")


class GovernanceViolation(RuntimeError):  # noqa: N818 - the word that operators search the log for
    """Something went around ToolRunner: code of the service or of a plugin is wrong, never a caller's request."""


def violation(message: str) -> GovernanceViolation:
    """Log a violation with the stack that led to it; the error to raise.

    Logged before it is raised, so that an ``except Exception`` around it hides nothing.
    """
    logger.error("governance violation: %s", message, stack_info=True, stacklevel=2)
    return GovernanceViolation(message)
