"""No piece of an erased image is in the database's file or its log, however SQLite moved rows about before."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from runward_service.store.database import Database, migrations, split_script
from runward_service.store.statements import statements
from tests.erasure.deletions import Figures, delete_at_random, search
from tests.erasure.marked_jobs import MarkedJobs
from tests.erasure.marks import Kind, in_leaves, marked, places_of

if TYPE_CHECKING:
    from runward_service.store.batch import Transaction

SEED = 2
TEMPORARY = "etilqs"
"""What SQLite's files for temporary data have in their names; they have been removed before they are written."""
UNPADDED = 8
"""The last schema that had images in leaf pages."""


async def test_nothing_is_left_after_thousands_of_random_deletions(tmp_path: Path) -> None:
    """Images of all sizes, of jobs and of their artifacts, some of several jobs, are erased in any order while others
    come: after each few deletions no piece of any that nobody has any more is left, all others are there, and none has
    a byte in a leaf page, where SQLite would leave pieces.
    """
    figures = await delete_at_random(tmp_path, 3_000, 500, Random(SEED))
    print(f"seed {SEED}: {figures}")
    assert figures.deleted_jobs == 3_000
    assert figures.erased_images > 2_500
    assert figures.images_left == set()
    assert figures.images_missing == set()
    assert figures.pieces_in_leaves == 0


async def test_bytes_that_were_let_go_are_erased(tmp_path: Path) -> None:
    """A damaged image whose row stays for its job leaves nothing in the file either."""
    jobs = MarkedJobs(tmp_path, Random(SEED))
    await jobs.start()
    await jobs.add(150)
    await jobs.close()
    with closing(jobs.database.connect()) as connection:
        for (seq,) in connection.execute("SELECT seq FROM image ORDER BY seq % 7, seq").fetchall():
            connection.execute(statements("blobs.sql")["lose_bytes"], (seq,))
    jobs.images.clear()
    figures = Figures()
    search(jobs, figures)
    assert figures.good, figures


def unpadded(folder: Path, rng: Random) -> tuple[set[int], set[int]]:
    """A database of a schema before, in which SQLite left pieces of deleted images: those that are there, and those."""
    database = Database(folder)
    living: dict[int, int] = {}
    with closing(database.connect()) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for _, script in migrations()[:UNPADDED]:
            for statement in split_script(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {UNPADDED}")
        connection.execute("BEGIN")
        insert = "INSERT INTO image (tenant, digest, size_bytes, create_time, data) VALUES ('default', ?, ?, 1, ?)"
        for number in range(1, 3_001):
            size = round(20 * 100 ** rng.random())
            row = (f"sha256:{number:064}", size, marked(Kind.IMAGE, number, size))
            living[number] = connection.execute(insert, row).lastrowid or 0
        gone = rng.sample(list(living), 2_500)
        for number in gone:
            connection.execute("DELETE FROM image WHERE seq = ?", (living.pop(number),))
        connection.execute("COMMIT")
    return set(living), set(gone)


def test_a_migrated_store_has_none_of_those_erased_before(tmp_path: Path) -> None:
    """What releases before left of erased images is gone once the store is migrated; the images that are there are
    moved to where nothing of them will be left.
    """
    living, gone = unpadded(tmp_path, Random(SEED))
    path = Database(tmp_path).path
    places, before = places_of(path.read_bytes(), Kind.IMAGE)
    assert set(before.tolist()) & gone, f"seed {SEED} leaves nothing that the migration could clear"
    assert in_leaves(path.read_bytes(), places)
    Database(tmp_path).prepare()
    places, after = places_of(path.read_bytes(), Kind.IMAGE)
    assert set(np.unique(after).tolist()) == living
    assert in_leaves(path.read_bytes(), places) == 0
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["runward.db"]


async def test_what_a_deletion_may_have_to_undo_goes_to_no_file(tmp_path: Path) -> None:
    """The pages of an image that is being deleted are kept in memory, not in a file outside the data folder."""
    jobs = MarkedJobs(tmp_path / "data", Random(SEED))
    await jobs.start()
    await jobs.add(150)
    assert sum(jobs.sizes) > 200_000

    def delete(tx: Transaction) -> list[str]:
        tx.execute("DELETE FROM job")
        tx.execute("DELETE FROM image")
        return [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]

    opened = await jobs.submit(delete)
    await jobs.close()
    assert [name for name in opened if TEMPORARY in name] == []
    assert any(name.endswith("runward.db") for name in opened)
