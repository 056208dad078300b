"""Governance violations: what goes around ToolRunner is logged where it happens, then refused."""

from __future__ import annotations

import logging

logger = logging.getLogger("runward.governance")


class GovernanceViolation(RuntimeError):  # noqa: N818 - the word that operators search the log for
    """Something went around ToolRunner: code of the service or of a plugin is wrong, never a caller's request."""


def violation(message: str) -> GovernanceViolation:
    """Log a violation with the stack that led to it; the error to raise.

    Logged before it is raised, so that an ``except Exception`` around it hides nothing, and past what libraries do to
    all loggers: ``logging.disable``, and configurations that disable those which they do not name.
    """
    file, line, function, stack = logger.findCaller(stack_info=True, stacklevel=2)
    text = "governance violation: %s"
    record = logger.makeRecord(
        logger.name, logging.ERROR, file, line, text, (message,), None, function, extra=None, sinfo=stack
    )
    logger.callHandlers(record)
    return GovernanceViolation(message)
