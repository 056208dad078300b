"""The outputs that stand for those of equal jobs. They are those of finished jobs, and go with the job that they belong
to: what is kept beside the job is a key, and a checksum that tells whether the output is what it was.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sqlite3
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from runward_service.domain.errors import GovernedError
from runward_service.domain.run_reply import RunReply
from runward_service.store.kept_renewals import KeptRenewals
from runward_service.store.remembered import Remembered
from runward_service.store.row_statements import by_chunk
from runward_service.store.rows import load_artifacts
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runward_service.domain.artifact import Artifact
    from runward_service.domain.limits import CacheLimits
    from runward_service.domain.outcome import Outcome
    from runward_service.domain.plugin_description import PluginDescription
    from runward_service.store.batch import Transaction
    from runward_service.store.database import Database
    from runward_service.store.loop_connection import LoopConnection
    from runward_service.store.writer import GroupCommitWriter

SQL_FILE = "kept_results.sql"
SQL = statements(SQL_FILE)
EVICTED_A_STEP = 256
REMEMBERED, REMEMBERED_BYTES = 256, 4 * 1024 * 1024
NO_CHECKSUM = b""

logger = logging.getLogger(__name__)


class SqliteKeptResults:
    """Answers on the loop."""

    def __init__(self, database: Database, writer: GroupCommitWriter, reader: LoopConnection) -> None:
        """Read on the loop; look through a database for what is to be evicted; write with a writer."""
        self._database = database
        self._writer = writer
        self._reader = reader
        self.renewals = KeptRenewals(writer, _renew)
        self._remembered: Remembered[bytes, tuple[bytes, RunReply]] = Remembered(REMEMBERED, REMEMBERED_BYTES)
        """Outputs with their checksums, by their keys. Which checksum is kept under a key is asked each time."""

    def trusts(self, description: PluginDescription) -> bool:
        """Whether no verification has diverged of what a plugin's code, by its version and digest, gave."""
        code = (description.name, description.version, description.code_digest)
        try:
            return self._reader.row(SQL["diverged"], code) is None
        except sqlite3.Error:
            logger.exception("kept outputs cannot be read")
            return False

    def find(self, key: bytes, description: PluginDescription) -> RunReply | None:
        """The output under a key, as the plugin's code gave it; None where none is kept, or a verification of that code
        has diverged. One that is not what it was is forgotten.
        """
        known, reply = self._remembered.get(key) or (NO_CHECKSUM, None)
        code = (description.name, description.version, description.code_digest)
        try:
            row = self._reader.row(SQL["find"], (key, known, *code))
        except sqlite3.Error:
            logger.exception("kept outputs cannot be read")
            return None
        if row is None:
            return None
        checksum, result, output_digest, listed = row
        if reply is not None and checksum == known and reply.code_digest == description.code_digest:
            return reply
        artifacts = load_artifacts(listed)
        if checksum_of(key, result, output_digest, artifacts) != checksum:
            logger.error("a kept output is damaged, and is not used: %s", output_digest)
            self._forget(key)
            return None
        reply = RunReply(result, output_digest, description.code_digest, artifacts)
        self._remembered.note(key, (checksum, reply), len(result))
        return reply

    def forget_read(self) -> None:
        """Hold nothing of what was read, some of which has been deleted."""
        self._remembered.clear()

    def _forget(self, key: bytes) -> None:
        try:
            self._writer.defer(lambda tx: tx.execute(SQL["forget"], (key,)))
        except GovernedError:
            logger.exception("a damaged output cannot be forgotten now")

    async def evict(self, limits: CacheLimits) -> int:
        """Forget those that were asked for longest ago, until the rest is within the limits; how many. Raises
        GovernedError STORE_UNAVAILABLE.
        """
        self.renewals.write()
        evicted = 0
        while upto := await asyncio.to_thread(self._excess, limits):
            evicted += await self._writer.submit(partial(_evict, upto))
        return evicted

    def _excess(self, limits: CacheLimits) -> int:
        """The number of the job up to which outputs are too many or too large, as far as one step goes; 0 for none."""
        with closing(sqlite3.connect(self._database.path, isolation_level=None)) as connection:
            entries, size_bytes = connection.execute(SQL["totals"]).fetchone()
            upto = 0
            for job_seq, size in connection.execute(SQL["oldest"], (EVICTED_A_STEP,)):
                if entries <= limits.entries and size_bytes <= limits.size_bytes:
                    break
                entries, size_bytes, upto = entries - 1, size_bytes - size, job_seq
            return upto


def _evict(upto: int, tx: Transaction) -> int:
    return tx.execute(SQL["evict"], (upto,)).rowcount


def keep_results(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Keep the outputs of jobs that have just been finished with these outcomes, as far as they have a key and are not
    kept already.
    """
    _write(tx, "keep", [outcome for outcome in outcomes if not is_renewal(outcome)])


def is_renewal(outcome: Outcome) -> bool:
    """Whether an outcome's output is kept already, and that its job has it now too can wait. It cannot where files came
    along, for they may be large, and would be held as long.
    """
    return outcome.cached and not outcome.artifacts and bool(outcome.cache_key)


def _renew(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Have outputs belong to these jobs, but for those that belong to a newer one by now."""
    _write(tx, "renew", outcomes)


def _write(tx: Transaction, name: str, outcomes: Sequence[Outcome]) -> None:
    rows = [
        (
            outcome.cache_key,
            checksum_of(outcome.cache_key, outcome.result, outcome.output_digest, outcome.artifacts),
            len(outcome.result) + sum(artifact.size_bytes for artifact in outcome.artifacts),
            outcome.job_id,
        )
        for outcome in outcomes
        if outcome.cache_key and outcome.result is not None
    ]
    for sql, parameters, _ in by_chunk(SQL_FILE, name, rows):
        tx.execute(sql, parameters)


def checksum_of(key: bytes, result: bytes, output_digest: str, artifacts: Sequence[Artifact]) -> bytes:
    """What tells whether an output, with the files that came with it, is what was kept under a key."""
    files = "".join(json.dumps([one.name, one.digest, one.size_bytes, one.mime_type]) for one in artifacts)
    return hashlib.sha256(key + (files + output_digest).encode() + result).digest()
