"""The signer of receipts: signs for ToolRunner, verifies for the store."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from runward_service.domain.receipt import Receipt, document_of_outcome
from runward_service.domain.violation import violation

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.receipt_keys import ReceiptKeys


class ReceiptSigner:
    """One for a ToolRunner and the store that it works for.

    It remembers what it has signed until that is verified for the first time, or is gone: to compare is cheaper than to
    make the document once more.
    """

    def __init__(self, keys: ReceiptKeys) -> None:
        """Sign with the newest of the keys, verify with any."""
        self._keys = keys
        self._fresh: WeakKeyDictionary[Outcome, tuple[Job, Receipt, tuple[object, ...]]] = WeakKeyDictionary()

    def signed(self, outcome: Outcome, job: Job) -> Outcome:
        """The same outcome, with its receipt. Raises ValueError where it is nothing that a receipt can be made of."""
        key = self._keys.newest
        document = document_of_outcome(job, outcome, key.id)
        receipt = Receipt(key.id, key.mac(document.data), document.marks())
        outcome.accept(receipt)
        if outcome.envelope is None:  # the details of an error might be changed where they stand
            self._fresh[outcome] = (job, receipt, success_of(outcome))
        return outcome

    def verify(self, outcome: Outcome, job: Job) -> Receipt:
        """The receipt of an outcome. Raises GovernanceViolation, logged, unless it was made for what this outcome is
        now, for this job and its attempt.
        """
        receipt = outcome.receipt
        if receipt is None:
            raise violation(f"job {job.id} was to be finished with an outcome that ToolRunner did not make")
        if outcome.job_id != job.id or outcome.attempt != job.attempt:
            made_for = f"attempt {outcome.attempt} of job {outcome.job_id}"
            raise violation(f"attempt {job.attempt} of job {job.id} was to be finished with the outcome of {made_for}")
        if self._fresh.pop(outcome, None) == (job, receipt, success_of(outcome)):
            return receipt
        key = self._keys.get(receipt.key_id)
        if key is None or not key.made(receipt.mac, document_of_outcome(job, outcome, receipt.key_id).data):
            raise violation(f"job {job.id} was to be finished with a receipt that is not of this end")
        return receipt


def success_of(outcome: Outcome) -> tuple[object, ...]:
    """All of an outcome without an envelope that its receipt attests, beside what its job tells."""
    return (
        outcome.envelope,
        outcome.attempt,
        outcome.code_digest,
        outcome.result,
        outcome.output_digest,
        outcome.artifacts,
        outcome.cached,
        outcome.end_time_us,
    )
