"""What an operator does on the server's own host."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runward
from tests.acceptance.conftest import IMAGE

if TYPE_CHECKING:
    from runward import Client
    from tests.acceptance.server_process import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def admin(*arguments: str) -> tuple[int, str, str]:
    """Run ``runward admin``: its exit status, output and errors."""
    return await command("admin", *arguments)


async def command(*arguments: str) -> tuple[int, str, str]:
    """Run ``runward``: its exit status, output and errors."""
    program = str(Path(sys.executable).with_name("runward"))
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    return await process.wait(), output.decode(), errors.decode()


async def test_the_traceback_of_a_failed_job_is_read_on_the_host(server: ServerProcess, client: Client) -> None:
    """What never crosses the wire, the exception's text and traceback, is printed by ``runward admin traceback``."""
    with pytest.raises(runward.PluginError) as caught:
        await client.analyze("fails", b"x", **IMAGE)
    assert "hunter2" not in str(caught.value)
    assert caught.value.job_id is not None
    folder = str(server.data_dir)
    status, output, _ = await admin("traceback", caught.value.job_id, "--data-dir", folder)
    assert status == 0
    assert "attempt 1:" in output
    assert "RuntimeError: password=hunter2" in output
    status, output, _ = await admin("traceback", caught.value.job_id, "--data-dir", folder, "--json")
    (attempt,) = json.loads(output)
    assert (status, attempt["attempt"]) == (0, 1)
    assert "hunter2" in attempt["traceback"]


async def test_a_job_without_a_traceback_and_an_unknown_job_are_said(
    server: ServerProcess, client: Client, tmp_path: Path
) -> None:
    """A job that did not fail, a job that does not exist and a folder that holds no data each end with a sentence."""
    job = await client.analyze("noop", b"x", **IMAGE)
    folder = str(server.data_dir)
    for arguments, says in (
        ((job.id, "--data-dir", folder), "no traceback is stored"),
        (("0" * 36, "--data-dir", folder), "No job has this id"),
        ((job.id, "--data-dir", str(tmp_path)), "holds no data"),
    ):
        status, _, errors = await admin("traceback", *arguments)
        assert status == 1
        assert says in errors
        assert "Traceback" not in errors
