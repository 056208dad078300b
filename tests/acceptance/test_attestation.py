"""Attested readiness: a server whose own code is not what was built, or breaks the rules, says so and runs nothing."""

from __future__ import annotations

import asyncio
import json
import os
import py_compile
import re
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

import runward
from tests.acceptance.conftest import IMAGE
from tests.acceptance.installed_server import ROOT, InstalledServer, build_wheel, copy_tree, run
from tests.acceptance.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.asyncio(loop_scope="module")
TOOL_RUNNER = "runward_service/runtime/tool_runner.py"
REASON = "from runward_service.governance.attestation import check_code; print(check_code()[1].reason)"
BYPASS = "\n\ndef bypass(plugin, payload, context):\n    return plugin.run(payload, context)\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> InstalledServer:
    """The wheel of this tree, installed."""
    wheel = await build_wheel(tmp_path_factory.mktemp("wheel"))
    return await InstalledServer(tmp_path_factory.mktemp("installed") / "venv").install(wheel)


async def command_line(server: ServerProcess, *arguments: str) -> tuple[int, str]:
    """Run ``runward`` against a server: its exit status and output."""
    program = str(Path(sys.executable).with_name("runward"))
    process = await asyncio.create_subprocess_exec(
        program, "--server", server.address, *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


async def test_a_changed_byte_in_tool_runner(installed: InstalledServer, tmp_path: Path) -> None:
    """The built code is ATTESTED and SERVING. With one byte of a comment in tool_runner.py changed, the next start is
    NOT_SERVING, the report and the log name the file, work is refused and jobs wait. Put back, it serves and they run.
    """
    server = ServerProcess(tmp_path / "data", "--grace", "0", plugins=("Gate",), python=installed.python)
    async with server, runward.connect(server.address) as client:
        assert await client.health() == "SERVING"
        good = await client.governance_report()
        assert (good.attestation, good.reason, good.findings, good.changes) == ("ATTESTED", "", (), ())
        assert good.rules[:2] == ("RWD000", "RWD001")
        assert good.scanner_version
        assert good.plugin_code_digests == {"gate": (await client.plugin("gate")).code_digest}
        assert good.plugin_code_digests["gate"].startswith("sha256:")
        waiting = [await client.submit("gate", b"x", options={"folder": str(tmp_path)}, **IMAGE) for _ in range(2)]
    (tmp_path / "open").touch()
    runs_before = set(tmp_path.glob("running-*"))

    with installed.changed(TOOL_RUNNER, b"# ", b"#\t"):
        async with server, runward.connect(server.address) as client:
            assert await client.health() == "NOT_SERVING"
            assert await client.health("gate") == "NOT_SERVING"
            report = await client.governance_report()
            assert report.attestation == "VIOLATED"
            (change,) = report.changes
            assert (change.path, change.kind) == (TOOL_RUNNER, "MODIFIED")
            assert change.expected_digest == good.file_digests[TOOL_RUNNER]
            assert change.actual_digest == report.file_digests[TOOL_RUNNER] != change.expected_digest
            assert report.code_digest != good.code_digest
            assert TOOL_RUNNER in report.reason
            for call in (client.analyze, client.submit):
                with pytest.raises(runward.ExecutionError) as caught:
                    await call("gate", b"x", **IMAGE)
                assert (caught.value.reason, caught.value.details) == ("NOT_ATTESTED", {"attestation": "VIOLATED"})
            status, text = await command_line(server, "governance")
            assert (status, f"MODIFIED {TOOL_RUNNER}" in text) == (1, True)
    assert f"ERROR runward.governance: {TOOL_RUNNER} is not what was built" in server.log.decode()
    assert set(tmp_path.glob("running-*")) == runs_before

    async with server, runward.connect(server.address) as client:
        assert await client.health() == "SERVING"
        assert (await client.governance_report()).code_digest == good.code_digest
        for job in waiting:
            assert "attempt" in (await client.result(job.id))
        status, text = await command_line(server, "governance", "--json")
        assert (status, json.loads(text)["attestation"]) == (0, "ATTESTED")


def add_file(packages: Path) -> Path:
    """A module that nobody built."""
    path = packages / "runward_service" / "shadow.py"
    path.write_text("")
    return path


def add_foreign_bytecode(packages: Path) -> Path:
    """A compiled form of tool_runner.py that Python runs without a look at the source, and that does something else."""
    source = packages / TOOL_RUNNER
    other = packages.parent / "other.py"
    other.write_text(source.read_text() + "\nCHANGED = True\n")
    compiled = cache_from_source(str(source))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(other), compiled, dfile=str(source), invalidation_mode=mode, doraise=True)
    return packages / compiled


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (add_file, ("ADDED", "runward_service/shadow.py")),
        (add_foreign_bytecode, ("RWD000", TOOL_RUNNER)),
    ],
    ids=["a file that nobody built", "a compiled file of other code"],
)
async def test_code_that_was_not_built(
    installed: InstalledServer, tmp_path: Path, damage: Callable[[Path], Path], says: tuple[str, str]
) -> None:
    """What Python would run beside, or in place of, the files that were built makes the server NOT_SERVING."""
    extra = damage(installed.packages)
    try:
        server = ServerProcess(tmp_path / "data", python=installed.python)
        async with server, runward.connect(server.address) as client:
            assert await client.health() == "NOT_SERVING"
            report = await client.governance_report()
            found = [(change.kind, change.path) for change in report.changes]
            found += [(finding.rule, finding.path) for finding in report.findings]
            assert found == [says]
            assert says[1] in report.reason
    finally:
        extra.unlink()


@pytest.mark.parametrize("options", [(), ("-O",), ("-X", "pycache_prefix={prefix}")], ids=["plain", "-O", "prefix"])
async def test_bytecode_is_looked_for_where_python_takes_it_from(
    installed: InstalledServer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """However Python is told to name and place compiled files, it is those that it runs which are compared."""
    arguments = [option.format(prefix=tmp_path) for option in options]
    poison = (
        "import importlib.util, pathlib, py_compile; "
        f"source = {str(installed.packages / TOOL_RUNNER)!r}; "
        f"other = pathlib.Path({str(tmp_path / 'other.py')!r}); "
        "other.write_text(pathlib.Path(source).read_text() + 'CHANGED = True'); "
        "mode = py_compile.PycInvalidationMode.UNCHECKED_HASH; "
        "place = importlib.util.cache_from_source(source); "
        "print(py_compile.compile(other, place, source, True, invalidation_mode=mode))"
    )
    compiled = Path((await run(installed.python, *arguments, "-c", poison)).strip())
    before = await run(installed.python, *arguments, "-c", REASON)
    compiled.unlink()
    assert f"{TOOL_RUNNER}:1:1: RWD000" in before
    assert (await run(installed.python, *arguments, "-c", REASON)).strip() == ""


@pytest.mark.parametrize(
    "path", ["runward/v1/jobs_pb2.py", "runward_command/__init__.py", "runward_scanner/rules/rwd001.py"]
)
async def test_compiled_files_of_every_package_are_compared(installed: InstalledServer, path: str) -> None:
    """One with its source's time and size, which Python runs in its place, is a violation in any package; one of the
    scanner does not run.
    """
    source = installed.packages / path
    before, times = source.read_bytes(), (source.stat().st_atime, source.stat().st_mtime)
    compiled = installed.packages / cache_from_source(str(source))
    kept = compiled.read_bytes()
    try:
        source.write_bytes(before + b"raise SystemExit(3)\n")
        os.utime(source, times)
        data = bytearray(Path(py_compile.compile(str(source), doraise=True) or "").read_bytes())
        source.write_bytes(before)
        os.utime(source, times)
        data[12:16] = len(before).to_bytes(4, "little")
        compiled.write_bytes(data)
        said = await run(installed.python, "-c", REASON)
    finally:
        compiled.write_bytes(kept)
    assert said.startswith(f"{path}:1:1: RWD000")


def empty(about: Path) -> None:
    """A RECORD without a line."""
    (about / "RECORD").write_text("")


def without_digest(about: Path) -> None:
    """A RECORD that tells of ToolRunner's file, but not what is in it."""
    text = (about / "RECORD").read_text()
    (about / "RECORD").write_text(re.sub(f"^{TOOL_RUNNER},.*$", f"{TOOL_RUNNER},,", text, flags=re.MULTILINE))


def garbage(about: Path) -> None:
    """A RECORD with bytes that are no text."""
    (about / "RECORD").write_bytes((about / "RECORD").read_bytes() + b"\xff\n")


def no_line(about: Path) -> None:
    """A RECORD with a line that tells nothing."""
    (about / "RECORD").write_bytes((about / "RECORD").read_bytes() + b"a,b\n")


def another_entry_point(about: Path) -> None:
    """Another plugin under a name."""
    text = (about / "entry_points.txt").read_text()
    (about / "entry_points.txt").write_text(text.replace("image_info:ImageInfo", "barcode:Barcode"))


def said_to_be_editable(about: Path) -> None:
    """An installation that calls itself editable, and an edit."""
    (about / "direct_url.json").write_text('{"url": "file:///tmp", "dir_info": {"editable": true}}')
    with (about.parent / TOOL_RUNNER).open("a") as file:
        file.write("#\n")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (empty, "runward/__init__.py was not built"),
        (without_digest, f"{TOOL_RUNNER} was not built"),
        (garbage, "RECORD is not what was built"),
        (no_line, "RECORD is not what was built"),
        (another_entry_point, "entry_points.txt is not what was built"),
        (said_to_be_editable, f"{TOOL_RUNNER} is not what was built"),
    ],
)
async def test_what_the_distribution_tells_of_itself(
    installed: InstalledServer, damage: Callable[[Path], None], says: str
) -> None:
    """RECORD and what stands beside it make no changed code look built, nor a wheel an editable installation."""
    (about,) = installed.packages.glob("runward-*.dist-info")
    files = [*about.iterdir(), installed.packages / TOOL_RUNNER]
    before = {file: file.read_bytes() for file in files}
    try:
        damage(about)
        said = await run(installed.python, "-c", REASON)
    finally:
        for file, data in before.items():
            file.write_bytes(data)
    assert says in said
    assert (await run(installed.python, "-c", REASON)).strip() == ""


async def test_a_package_that_another_folder_hides(installed: InstalledServer) -> None:
    """Code that Python takes from a folder other than the installation's is a violation, whatever it holds."""
    said = await run(installed.python, "-c", REASON, PYTHONPATH=str(ROOT / "service"))
    assert said.startswith(f"{ROOT / 'service' / 'runward_service'} was loaded from outside of the installed packages")


async def test_a_scanner_that_does_not_scan(installed: InstalledServer, tmp_path: Path) -> None:
    """Without a report from the scanner nothing is attested; how it ended is said, and which of its files changed."""
    with installed.changed("runward_scanner/__main__.py", b"def main(", b"raise SystemExit(3)\n\n\ndef main("):
        server = ServerProcess(tmp_path / "data", python=installed.python)
        async with server, runward.connect(server.address) as client:
            assert await client.health() == "NOT_SERVING"
            report = await client.governance_report()
            assert [(change.kind, change.path) for change in report.changes] == [
                ("MODIFIED", "runward_scanner/__main__.py")
            ]
            assert "the scanner ended with 3" in report.reason
            assert report.rules == ()
            with pytest.raises(runward.ExecutionError, match="runs no plugin"):
                await client.analyze("noop", b"x", **IMAGE)


async def test_code_that_changes_under_a_running_server(installed: InstalledServer, tmp_path: Path) -> None:
    """A worker that comes up after the code was changed is not used, and the server is NOT_SERVING from then on."""
    server = ServerProcess(tmp_path / "data", plugins=("Hostile",), python=installed.python)
    async with server, runward.connect(server.address) as client:
        await client.analyze("hostile", b"x", **IMAGE)
        with installed.changed(TOOL_RUNNER, b"# ", b"#\t"):
            with pytest.raises(runward.RunwardError):
                await client.analyze("hostile", b"x", options={"how": "os_exit"}, **IMAGE)
            while (report := await client.governance_report()).attestation.holds:
                await client.health("hostile")
        assert [(change.kind, change.path) for change in report.changes] == [("SINCE_START", TOOL_RUNNER)]
        assert await client.health() == "NOT_SERVING"
        plugin = await client.plugin("hostile")
        assert (plugin.state, "restart the server" in plugin.state_reason) == ("UNAVAILABLE", True)
        with pytest.raises(runward.ExecutionError, match="runs no plugin"):
            await client.analyze("hostile", b"x", **IMAGE)


async def test_an_editable_install(tmp_path: Path) -> None:
    """A clean working tree is UNATTESTED and serves; with a bypass in it, it is VIOLATED with the scanner's finding."""
    tree = copy_tree(tmp_path / "tree")
    editable = await InstalledServer(tmp_path / "venv").install("--editable", tree)
    server = ServerProcess(tmp_path / "data", plugins=("Noop",), python=editable.python)
    async with server, runward.connect(server.address) as client:
        assert await client.health() == "SERVING"
        report = await client.governance_report()
        assert (report.attestation, "editable" in report.reason) == ("UNATTESTED", True)
        assert (await client.analyze("noop", b"x", **IMAGE)).status == "SUCCESS"
        status, _ = await command_line(server, "governance")
        assert status == 0
    with (tree / "service" / "runward_service" / "execution" / "expiry.py").open("a") as source:
        source.write(BYPASS)
    async with server, runward.connect(server.address) as client:
        assert await client.health() == "NOT_SERVING"
        report = await client.governance_report()
        assert report.attestation == "VIOLATED"
        assert "RWD001" in {finding.rule for finding in report.findings}
        assert {finding.path for finding in report.findings} == {"runward_service/execution/expiry.py"}
        assert report.changes == ()
        with pytest.raises(runward.ExecutionError, match="runs no plugin"):
            await client.analyze("noop", b"x", **IMAGE)
