"""The signer of receipts: signs for ToolRunner, verifies for the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.domain.receipt import Receipt, document_of_outcome
from runward_service.domain.violation import violation

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.receipt_keys import ReceiptKeys


class ReceiptSigner:
    """One for a ToolRunner and the store that it works for."""

    def __init__(self, keys: ReceiptKeys) -> None:
        """Sign with the newest of the keys, verify with any."""
        self._keys = keys

    def signed(self, outcome: Outcome, job: Job) -> Outcome:
        """The same outcome, with its receipt. Raises ValueError where it is nothing that a receipt can be made of."""
        key = self._keys.newest
        document = document_of_outcome(job, outcome, key.id)
        outcome.accept(Receipt(key.id, key.mac(document.data), document.marks()))
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
        key = self._keys.get(receipt.key_id)
        if key is None or not key.made(receipt.mac, document_of_outcome(job, outcome, receipt.key_id).data):
            raise violation(f"job {job.id} was to be finished with a receipt that is not of this end")
        return receipt
