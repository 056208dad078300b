"""A key that is added to the file of receipt keys signs from then on, without a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runward_service.domain.job import ANONYMOUS
from runward_service.governance.receipt_key_file import load, rotate
from runward_service.store.audit import audit
from tests.harness.service import analyze, query, running_service
from tests.store.test_backup import quiet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runward_service.bootstrap import Service
    from runward_service.domain.receipt_keys import ReceiptKeys

pytestmark = pytest.mark.asyncio
KEY_ENTRY = 3


async def signer_of_a_job(service: Service) -> str:
    """The id of the key that a new job's receipt is made with."""
    job = await service.analysis.get_job((await analyze(service, "echo")).id, ANONYMOUS)
    assert job.receipt is not None
    return job.receipt.key_id


def chain_keys(service: Service) -> list[tuple[int, str]]:
    """The kind and the key of each entry of the chain."""
    return query(service, "SELECT kind, key_id FROM receipt_chain ORDER BY seq")


def verdict(service: Service, keys: ReceiptKeys) -> str:
    """What an audit says."""
    return audit(service.database, keys, quiet).verdict


async def test_a_key_that_was_added_signs_from_then_on(tmp_path: Path) -> None:
    """The chain is told of it once, whichever server sees it first, and holds; a look that finds nothing new does
    nothing.
    """
    path = tmp_path / "receipt.key"
    settings = {"receipt_key": path}
    async with (
        running_service(tmp_path / "data", "Echo", **settings) as one,
        running_service(tmp_path / "data", "Echo", **settings) as two,
    ):
        old = load(path).newest.id
        assert await signer_of_a_job(one) == old
        new = rotate(path).newest.id
        for _ in range(2):
            await one.key_renewal.look()
        assert (await signer_of_a_job(one), await signer_of_a_job(two)) == (new, old)
        await two.key_renewal.look()
        assert await signer_of_a_job(two) == new
        assert [kind for kind, _ in chain_keys(one)].count(KEY_ENTRY) == 1
        assert chain_keys(one).index((KEY_ENTRY, new)) < chain_keys(one).index((1, new))
        assert verdict(one, load(path)) == "WHOLE"


def removed(path: Path) -> None:
    """The file is gone."""
    path.rename(path.with_name("elsewhere"))


def opened(path: Path) -> None:
    """Others can read the file."""
    path.chmod(0o644)


def damaged(path: Path) -> None:
    """The file holds no keys."""
    path.write_text("no key\n")


@pytest.mark.parametrize("spoil", [removed, opened, damaged])
async def test_a_file_that_cannot_be_used_changes_nothing(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The server goes on with the key that it has, and says so once."""
    path = tmp_path / "receipt.key"
    async with running_service(tmp_path / "data", "Echo", receipt_key=path) as service:
        key = await signer_of_a_job(service)
        spoil(path)
        for _ in range(2):
            await service.key_renewal.look()
        assert await signer_of_a_job(service) == key
    assert len([record for record in caplog.records if "the key of before" in record.message]) == 1


async def test_a_key_that_takes_the_place_of_the_others(tmp_path: Path) -> None:
    """The keys that are gone from the file go on to verify what was signed with them here: the chain says that the key
    of before was at hand.
    """
    path, other = tmp_path / "receipt.key", tmp_path / "other.key"
    async with running_service(tmp_path / "data", "Echo", receipt_key=path) as service:
        old = load(path)
        other.write_text("ab" * 32 + "\n")
        other.chmod(0o600)
        other.replace(path)
        await service.key_renewal.look()
        assert await signer_of_a_job(service) == load(path).newest.id
        ((content,),) = query(service, "SELECT content FROM receipt_chain WHERE kind = 3")
        assert '"previous_key_known":true' in str(content)
        old.add(load(path))
        assert verdict(service, old) == "WHOLE"
