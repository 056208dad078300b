"""The signer of receipts: signs for ToolRunner, verifies for the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from runward_service.domain.outcome import Outcome
from runward_service.domain.receipt import Receipt, document_of_outcome
from runward_service.domain.violation import violation

if TYPE_CHECKING:
    from runward_service.domain.job import Job
    from runward_service.domain.receipt_keys import ReceiptKeys


class Signed(NamedTuple):
    """What was signed of an outcome: what no receipt attests of it, and, until that is verified for the first time, its
    job, its receipt and what that attests; nothing of these where an error's details might be changed where they stand.
    """

    rest: tuple[object, ...]
    attested: tuple[Job, Receipt, tuple[object, ...]] | None


class ReceiptSigner:
    """One for a ToolRunner and the store that it works for.

    It knows the outcomes that it has signed until they are gone, so that no copy stands for one. What it has signed of
    one it remembers until that is verified for the first time: to compare is cheaper than to make the document once
    more.
    """

    def __init__(self, keys: ReceiptKeys) -> None:
        """Sign with the newest of the keys, verify with any."""
        self._keys = keys
        self._signed: WeakKeyDictionary[Outcome, Signed] = WeakKeyDictionary()

    def signed(self, outcome: Outcome, job: Job) -> Outcome:
        """The same outcome, with its receipt. Raises ValueError where it is nothing that a receipt can be made of."""
        key = self._keys.newest
        document = document_of_outcome(job, outcome, key.id)
        receipt = Receipt(key.id, key.mac(document.data), document.marks())
        outcome.accept(receipt)
        attested = (job, receipt, success_of(outcome)) if outcome.envelope is None else None
        self._signed[outcome] = Signed(rest_of(outcome), attested)
        return outcome

    def verify(self, outcome: Outcome, job: Job) -> Receipt:
        """The receipt of an outcome. Raises GovernanceViolation, logged, unless it is one that was signed here, made
        for what this outcome is now, for this job and its attempt.
        """
        signed = self._signed.get(outcome) if type(outcome) is Outcome else None
        receipt = outcome.receipt if signed is not None else None
        if signed is None or receipt is None:
            raise violation(f"job {job.id} was to be finished with an outcome that ToolRunner did not make")
        if outcome.job_id != job.id or outcome.attempt != job.attempt:
            made_for = f"attempt {outcome.attempt} of job {outcome.job_id}"
            raise violation(f"attempt {job.attempt} of job {job.id} was to be finished with the outcome of {made_for}")
        if signed.rest != rest_of(outcome):
            raise violation(f"job {job.id} was to be finished with an outcome that was changed after it was signed")
        if signed.attested is not None:
            self._signed[outcome] = Signed(signed.rest, None)
            if signed.attested == (job, receipt, success_of(outcome)):
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


def rest_of(outcome: Outcome) -> tuple[object, ...]:
    """What decides of an outcome what is counted, kept and tried again, and is in no receipt."""
    return (outcome.plugin, outcome.duration_us, outcome.ran, outcome.retryable, outcome.cache_key)
