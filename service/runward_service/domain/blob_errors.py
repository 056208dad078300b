"""The errors of blobs."""

from __future__ import annotations

from runward_service.domain.errors import ErrorReason, GovernedError

BUSY_RETRY_SECONDS = 1.0


class UploadBusy(GovernedError):  # noqa: N818 - named as its siblings
    """The refusal of an upload that another call is at."""

    def __init__(self) -> None:
        """Ask for another call a little later."""
        message = "Another call is uploading this blob. Try again later."
        details = {"bound": "calls_per_upload", "limit": 1, "retry_seconds": BUSY_RETRY_SECONDS}
        super().__init__(ErrorReason.TOO_MANY_CALLS, message, details)


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
