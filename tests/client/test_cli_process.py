"""The command line as a process: interrupted, on a terminal, with commands of other packages."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import runward
from runward.v1 import jobs_pb2, plugins_pb2

PNG = b"\x89PNG\r\n\x1a\n"
START = "import sys; {}from runward_command import main; main()"
HEED_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""A process inherits whether SIGINT is ignored, as it is in the background of a shell."""


def command(*arguments, before=""):
    """Give the arguments of a process that runs the command line, after a statement."""
    return [sys.executable, "-c", START.format(before), *map(str, arguments)]


@pytest.fixture
def images(tmp_path):
    """Give a directory with three files that begin like PNGs."""
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(PNG)
    return tmp_path


def test_ctrl_c_cancels_what_is_running(server, images):
    """SIGINT ends the command with 130, hangs up on the server, and prints no traceback."""
    hang = server.hang()
    server.on("Analyze", hang.unary)
    process = subprocess.Popen(
        command("analyze", "ocr", images, "--server", server.target, before=HEED_INTERRUPTS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert hang.entered.wait(60)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert hang.left.wait(30)
    assert output == b""
    assert errors == b"interrupted\n"


LOADING = "import sys; print('loading', flush=True); sys.stdin.read()\n"


@pytest.mark.parametrize("module", ["grpc", "other_command"])
def test_ctrl_c_while_a_command_is_loaded(tmp_path, module):
    """SIGINT ends the command with 130 and nothing else, whether the client is being loaded or another package."""
    install(tmp_path, "say = other_command:say")
    (tmp_path / f"{module}.py").write_text(LOADING)
    process = subprocess.Popen(
        command("say", before=HEED_INTERRUPTS),
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"loading\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 130


@pytest.mark.parametrize("arguments", [["--help"], ["analyze", "--help"], ["plugins", "list"]])
def test_full_disk_is_told_in_one_line(server, arguments):
    """What cannot be written ends the command with 1; that is no fault of runward's."""
    if arguments[0] == "plugins":
        server.on("ListPlugins", lambda *_: plugins_pb2.ListPluginsResponse())
        arguments = [*arguments, "--server", server.target]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "runward: the output cannot be written: No space left on device\n"
    assert done.returncode == 1


def test_a_scan_whose_report_cannot_be_written():
    """Ends with 2, as all scans that tell nothing: 1 would be taken for findings."""
    with Path("/dev/full").open("wb") as full:
        scan = command("scan", runward.__file__)
        done = subprocess.run(scan, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "runward scan: The report cannot be written: No space left on device.\n"
    assert done.returncode == 2


def test_progress_is_live_on_a_terminal(server, images):
    """With a terminal on stderr a bar moves there, and stdout stays clean."""
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job()))
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command("analyze", "ocr", images, "--server", server.target),
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm-256color"},
            check=True,
        )
        shown = os.read(ours, 65536)
    finally:
        os.close(theirs)
        os.close(ours)
    assert b"\x1b[" in shown
    assert b"ocr" in shown
    assert b"\x1b" not in done.stdout
    assert b"3 analysed" in done.stdout


def test_closed_pipe_is_no_traceback(server, images):
    """A reader that has read enough, such as head, ends the command quietly."""
    server.on("Analyze", lambda *_: jobs_pb2.AnalyzeResponse(job=server.job()))
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as closed:
        done = subprocess.run(
            command("analyze", "ocr", images, "--json", "--server", server.target),
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def install(folder, entry, module=""):
    """Make a distribution with one entry point of the group, and perhaps its module."""
    info = folder / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[runward.commands]\n{entry}\n")
    if module:
        (folder / "other_command.py").write_text(module)


def run_with(folder, *arguments):
    """Run the command line with a folder of other packages."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, check=False)


def test_command_of_another_package_is_loaded_only_when_called(tmp_path):
    """--help lists it without importing it; calling it runs it, with its own arguments and help."""
    module = (
        "import click\nprint('imported')\n@click.command()\n@click.argument('word')\ndef say(word):\n    print(word)\n"
    )
    install(tmp_path, "say = other_command:say", module)
    listed = run_with(tmp_path, "--help")
    assert "say" in listed.stdout
    assert "imported" not in listed.stdout
    said = run_with(tmp_path, "say", "hello")
    assert said.stdout == "imported\nhello\n"
    assert "Usage: runward say [OPTIONS] WORD" in run_with(tmp_path, "say", "--help").stdout


def test_missing_extra_says_what_to_install():
    """Where the service's libraries are absent, serve and admin name the extra and end with 3."""
    for name in ("serve", "admin"):
        done = subprocess.run(
            command(name, "--listen", "127.0.0.1:0", before="sys.modules['runward_service'] = None; "),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3
        assert "pip install 'runward[service]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_missing_entry_point_says_what_to_install():
    """Where not even the entry point is there, the known commands are listed and say the same."""
    before = "import importlib.metadata as m; m.entry_points = lambda **_: (); "
    done = subprocess.run(command("serve", before=before), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "pip install 'runward[service]'" in done.stderr
    listed = subprocess.run(command("--help", before=before), capture_output=True, text=True, check=True)
    assert all(name in listed.stdout for name in ("serve", "scan", "admin"))


def test_broken_command_of_another_package_says_why(tmp_path):
    """A command that is not ours and cannot be imported ends with 3 and its cause."""
    install(tmp_path, "say = nonesuch_module:say")
    done = run_with(tmp_path, "say")
    assert done.returncode == 3
    assert "nonesuch_module" in done.stderr
