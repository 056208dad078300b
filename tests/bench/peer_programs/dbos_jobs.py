"""DBOS on SQLite: workflows without a step, started at once and run by threads of the same process, as it recommends.

SQLite syncs each commit unless it is told otherwise, and DBOS does not tell it otherwise.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from dbos import DBOS
from peer import folder

DATABASE = folder() / "dbos.db"
COUNT = "SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'"


@DBOS.workflow()
def noop() -> None:
    """Do nothing."""


def commands() -> list[list[str]]:
    """Start DBOS, which needs no other program."""
    config = {"name": "peer", "system_database_url": f"sqlite:///{DATABASE}", "log_level": "ERROR"}
    DBOS(config=config | {"run_admin_server": False})
    DBOS.launch()
    return []


def enqueue() -> None:
    """Store a job, which then begins."""
    DBOS.start_workflow(noop)


def unfinished(submitted: int) -> int:
    """Tell how many workflows have not ended."""
    with closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)) as connection:
        return submitted - int(connection.execute(COUNT).fetchone()[0])
