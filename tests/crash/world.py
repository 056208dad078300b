"""The folder of one case: the service's data, and beside it what is written down outside the service."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from runward_service.domain.job import Job


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the service has told its caller of a job: it was accepted, or has ended as this says."""

    name: str
    job_id: str
    status: int
    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class World:
    """Where things lie."""

    folder: Path

    @property
    def data(self) -> Path:
        """The service's data folder."""
        return self.folder / "data"

    @property
    def database(self) -> Path:
        """The service's database."""
        return self.data / "runward.db"

    @property
    def receipt_key(self) -> Path:
        """The keys of receipts."""
        return self.folder / "receipt.key"

    @property
    def trace(self) -> Path:
        """The points that passed."""
        return self.folder / "trace"

    def open_gate(self) -> None:
        """Let runs end that hold."""
        (self.folder / "open").touch()

    @property
    def attended(self) -> Path:
        """It exists once another process serves beside the one that is killed."""
        return self.folder / "attended"

    def tell_end(self) -> None:
        """Tell the other process that the first one is gone."""
        (self.folder / "gone").touch()

    @property
    def end_told(self) -> bool:
        """Whether it was told."""
        return (self.folder / "gone").exists()

    def acknowledge(self, name: str, job: Job) -> None:
        """Write down what the service told of a job."""
        reason = job.error.reason.value if job.error else ""
        line = json.dumps(asdict(Acknowledgement(name, job.id, job.status.value, job.revision, reason)))
        self._append("acknowledgements", line)

    def acknowledge_erasure(self, name: str) -> None:
        """Write down that the service told that a job is erased."""
        self._append("erased", name)

    def erased(self) -> list[str]:
        """The jobs that are erased, by name."""
        return self._lines("erased")

    def _append(self, name: str, line: str) -> None:
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)

    def acknowledgements(self) -> list[Acknowledgement]:
        """All that was acknowledged, in order."""
        return [Acknowledgement(**json.loads(line)) for line in self._lines("acknowledgements")]

    def runs(self) -> list[tuple[str, int]]:
        """The runs that the plugin began, as (job id, attempt), in order."""
        return [(line.split()[0], int(line.split()[1])) for line in self._lines("runs")]

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []
