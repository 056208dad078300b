"""CodeAttestation: the verdict on the service's own code, and what hangs on it."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from runward_service.domain.errors import ErrorReason, GovernedError
from runward_service.domain.governance_report import (
    Attestation,
    CodeScan,
    FileChange,
    FileChangeKind,
    GovernanceReport,
)
from runward_service.governance.installation import InstallationError, read_installation
from runward_service.governance.scanning import ScanFailedError, scan
from runward_service.governance.verdict_cache import VerdictCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runward_service.governance.installation import Installation

MAX_CHANGES = 1_000
UNCHECKED = GovernanceReport(Attestation.INCONCLUSIVE, "the code has not been checked yet")

logger = logging.getLogger("runward.governance")


class CodeAttestation:
    """Checks the code once, at the start, and each worker's as it comes up. What was found does not mend itself: a
    server that is not attested stays so until it is started with other code.
    """

    def __init__(self) -> None:
        """Start unchecked, which does not hold."""
        self.report = UNCHECKED
        self._installation: Installation | None = None
        self._listeners: list[Callable[[], None]] = []

    def listen(self, on_change: Callable[[], None]) -> None:
        """Name one who hears when the verdict has changed."""
        self._listeners.append(on_change)

    @property
    def holds(self) -> bool:
        """Whether plugins may be run."""
        return self.report.attestation.holds

    def admit(self) -> None:
        """Let work pass. Raises GovernedError NOT_ATTESTED where the verdict does not hold."""
        if not self.report.attestation.holds:
            raise GovernedError(
                ErrorReason.NOT_ATTESTED,
                "The server runs no plugin, for its own code is not what was built or breaks the rules of execution. "
                "Its operator finds why in GetGovernanceReport.",
                {"attestation": self.report.attestation.value},
            )

    async def check(self) -> None:
        """Check the code, in a thread and a process of their own. A check that fails is INCONCLUSIVE."""
        try:
            self._installation, self.report = await asyncio.to_thread(check_code)
        except InstallationError as error:
            self.report = GovernanceReport(Attestation.INCONCLUSIVE, str(error))
        except Exception as error:  # whatever keeps the code from being checked, it is not attested
            logger.exception("the check of the server's own code failed")
            self.report = GovernanceReport(Attestation.INCONCLUSIVE, f"the check failed: {type(error).__name__}")
        self._tell()

    def check_worker(self, plugin: str, loaded: Mapping[str, str]) -> str:
        """Compare what a worker loaded of the service (digests by absolute path) with what was checked.

        Gives why the worker may not be used, empty where it may. Workers start long after the server: an upgrade in
        place, under a running server, would have them run other code.
        """
        if self._installation is None:
            return ""
        changes = [
            change for origin, digest in loaded.items() if (change := worker_change(self._installation, origin, digest))
        ]
        if not changes:
            return ""
        known = dict.fromkeys((*self.report.changes, *changes))
        self.report = dataclasses.replace(
            self.report,
            attestation=Attestation.VIOLATED,
            reason=reason_of(self.report.scan, list(known)),
            changes=tuple(known)[:MAX_CHANGES],
        )
        logger.error("a worker of %s runs other code than the server checked", plugin)
        self._tell()
        return f"its worker runs other code than the server checked ({changes[0]}); restart the server"

    def _tell(self) -> None:
        report = self.report
        if not report.attestation.holds:
            for item in (*report.changes, *report.scan.findings):
                logger.error("%s", item)
            logger.error("%s: %s; no plugin is run", report.attestation.value, report.reason)
        else:
            logger.info("%s: %s", report.attestation.value, report.reason or report.code_digest)
        for listener in self._listeners:
            listener()


def check_code() -> tuple[Installation, GovernanceReport]:
    """Compare the installed code with what was built and what is loaded, and scan it.

    Raises InstallationError, OSError, or whatever a damaged installation has in store.
    """
    installation = read_installation()
    changes = sorted(installation.changes())
    cache = VerdictCache(installation)
    found, failure = cache.read(), ""
    if found is None:
        try:
            found = scan(installation)
            cache.write(found)
        except ScanFailedError as error:
            found, failure = CodeScan(), str(error)
    return installation, report_of(installation, found, changes, failure)


def report_of(
    installation: Installation, found: CodeScan, changes: list[FileChange], failure: str = ""
) -> GovernanceReport:
    """The verdict on what was found; ``failure`` is why the scan could not be made, if so."""
    reason = reason_of(found, changes, failure)
    if found.findings or changes:
        verdict = Attestation.VIOLATED
    elif failure:
        verdict = Attestation.INCONCLUSIVE
    elif installation.unrecorded:
        verdict, reason = Attestation.UNATTESTED, installation.unrecorded
    else:
        verdict = Attestation.ATTESTED
    digests = dict(sorted(installation.digests.items()))
    return GovernanceReport(verdict, reason, found, code_digest(digests), digests, tuple(changes[:MAX_CHANGES]))


def reason_of(found: CodeScan, changes: list[FileChange], failure: str = "") -> str:
    """Why the code is not to be trusted, in a clause that names the first of each kind of fault; empty for none."""
    parts = [_first(changes), _first(found.findings), failure]
    return "; ".join(part for part in parts if part)


def _first(items: Iterable[object]) -> str:
    texts = [str(item) for item in items]
    return f"{texts[0]} and {len(texts) - 1} more" if len(texts) > 1 else "".join(texts)


def code_digest(digests: Mapping[str, str]) -> str:
    """The digest of what ``sha256sum`` prints for files in the order of their paths."""
    lines = (f"{digest.removeprefix('sha256:')}  {path}\n" for path, digest in digests.items())
    return f"sha256:{hashlib.sha256(''.join(lines).encode(errors='surrogateescape')).hexdigest()}"


def worker_change(installation: Installation, origin: str, digest: str) -> FileChange | None:
    """How a file that a worker loaded differs from what was checked."""
    path = installation.relative(Path(origin).resolve())
    if path is None:
        return FileChange(origin, FileChangeKind.ELSEWHERE, "", digest)
    expected = installation.digests.get(path, "")
    return None if digest == expected else FileChange(path, FileChangeKind.SINCE_START, expected, digest)
