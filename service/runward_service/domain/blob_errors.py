"""The errors of blobs."""

from __future__ import annotations

from runward_service.domain.errors import ErrorReason, GovernedError


def blob_not_found(digest: str, plugin: str = "") -> GovernedError:
    """The refusal of a digest of which the caller's tenant has no blob."""
    message = f"There is no blob {digest}. Upload it, then call again."
    return GovernedError(ErrorReason.BLOB_NOT_FOUND, message, {"digest": digest}, plugin=plugin)


def blob_unknown(digest: str) -> GovernedError:
    """The refusal of a download of what the caller's tenant has no blob of."""
    return GovernedError(ErrorReason.BLOB_UNKNOWN, f"There is no blob {digest}.", {"digest": digest})


def blob_corrupted(digest: str) -> GovernedError:
    """The error of a blob whose bytes on disk are not those of its digest, or cannot be read."""
    message = f"The stored bytes of the blob {digest} are damaged or lost. Upload it again."
    return GovernedError(ErrorReason.BLOB_CORRUPTED, message, {"digest": digest})
