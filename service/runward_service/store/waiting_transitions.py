"""WaitingTransitions: the transitions of a batch between which no other operation comes, until they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from runward_service.store.transitions import CreateJob, FinishJob, StartJob
from runward_service.store.whole_lives import WholeLife, insert_whole_lives

if TYPE_CHECKING:
    from collections.abc import Callable

    from runward_service.store.batch import Transaction
    from runward_service.store.transitions import Transition


class WaitingTransitions:
    """They are written class by class, in the order of a job's life, so that each job keeps its own order; those that
    are a job's whole life as one.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._kinds: dict[type[Transition], dict[str, tuple[int, Any]]] = {CreateJob: {}, StartJob: {}, FinishJob: {}}

    def add(self, place: int, operation: Callable[[Transaction], Any]) -> bool:
        """Take an operation, whose outcome has a place; False where it is no transition, or has to come after those
        that wait.
        """
        kind = self._kinds.get(type(operation))  # type: ignore[arg-type]
        if kind is None:
            return False
        job_id = cast("Transition", operation).job_id
        return kind.setdefault(job_id, (place, operation))[0] == place

    def apply(self, tx: Transaction, outcomes: list[Any]) -> None:
        """Write what waits, and put what comes of each in its place. Raises what a transition raises."""
        self._apply_whole_lives(tx, outcomes)
        for kind, waiting in self._kinds.items():
            if waiting:
                results = kind.apply_all(tx, [operation for _, operation in waiting.values()])
                for (place, _), result in zip(waiting.values(), results, strict=True):
                    outcomes[place] = result
                waiting.clear()

    def _apply_whole_lives(self, tx: Transaction, outcomes: list[Any]) -> None:
        creations, starts, finishes = self._kinds.values()
        lives = []
        for job_id in [job_id for job_id in finishes if job_id in starts and job_id in creations]:
            life = WholeLife(creations[job_id][1], starts[job_id][1], finishes[job_id][1])
            if life.possible:
                lives.append((life, [kind.pop(job_id)[0] for kind in (creations, starts, finishes)]))
        if lives:
            results = insert_whole_lives(tx, [life for life, _ in lives])
            for (_, places), result in zip(lives, results, strict=True):
                for place, one in zip(places, result, strict=True):
                    outcomes[place] = one
