"""The files that runs gave back, stored in the transaction of the job's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runward_service.store.images import is_large_size
from runward_service.store.statements import statements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.domain.outcome import Outcome
    from runward_service.store.batch import Transaction

SQL = statements("transitions.sql")
BLOBS_SQL = statements("blobs.sql")


class ArtifactGone(Exception):  # noqa: N818 - an event more than a fault
    """A file of a kept output was removed with the last job that had it, before the job that it stands for ended."""


class ArtifactRemoved(Exception):  # noqa: N818 - as above
    """A file that a run gave back was removed with an earlier job that had the same, after it was put: it has to be put
    again.
    """


def keep_artifacts(tx: Transaction, outcome: Outcome, image_path: Callable[[str], Path]) -> None:
    """Store a job's artifacts: small ones with their bytes, large ones by their files, which have been put; those
    without bytes are another job's, too.

    Raises ArtifactRemoved where a file was removed since it was put, ArtifactGone where one that is another job's was.
    Files are removed under the write lock, which is held here: one that is there now stays.
    """
    for place, artifact in enumerate(outcome.artifacts):
        digest = artifact.digest
        if artifact.data is not None:
            large = is_large_size(artifact.size_bytes)
            if large and not image_path(digest).exists():
                raise ArtifactRemoved(digest)
            data = None if large else artifact.data
            row = (digest, artifact.size_bytes, outcome.end_time_us, data, outcome.job_id)
            tx.execute(SQL["insert_artifact_image"], row)
            tx.execute(BLOBS_SQL["found_again"], (digest,))
        listed = (place, artifact.name, artifact.mime_type, digest, outcome.job_id)
        if tx.execute(SQL["insert_artifact"], listed).rowcount == 0:
            raise ArtifactGone(digest)
