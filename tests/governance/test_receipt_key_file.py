"""The file of receipt keys: made once, for its user alone, outside the data folder."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runward_service.governance.receipt_key_file import (
    ReceiptKeyError,
    default_path,
    load,
    load_or_create,
    rotate,
)

if TYPE_CHECKING:
    from pathlib import Path

CREATE = """
import sys
from pathlib import Path
from runward_service.governance.receipt_key_file import load_or_create
sys.stdin.readline()
print(load_or_create(Path(sys.argv[1]), Path(sys.argv[2])).newest.id, flush=True)
"""


def test_it_is_made_for_its_user_alone(tmp_path: Path) -> None:
    """A first key in a file that nobody else can read, in folders that are made as needed; then it stays."""
    path = tmp_path / "some" / "where" / "receipt.key"
    keys = load_or_create(path, tmp_path / "data")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path, tmp_path / "data").newest.id == load(path).newest.id == keys.newest.id
    assert [entry.name for entry in path.parent.iterdir()] == ["receipt.key"]


def test_processes_that_make_it_at_once_take_the_same(tmp_path: Path) -> None:
    """Ten processes, one key: whoever comes second takes the first one's, and never half a file."""
    arguments = [sys.executable, "-c", CREATE, str(tmp_path / "receipt.key"), str(tmp_path / "data")]
    started = [subprocess.Popen(arguments, stdin=-1, stdout=-1, text=True) for _ in range(10)]
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    ids = {one.communicate()[0] for one in started}
    assert len(ids) == 1
    assert all(one.returncode == 0 for one in started)
    assert [entry.name for entry in tmp_path.iterdir()] == ["receipt.key"]


def test_it_is_refused_in_the_data_folder(tmp_path: Path) -> None:
    """Who can write the data could sign it; a link does not hide where the file is."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for path in (data / "receipt.key", data / "deep" / "receipt.key", tmp_path / "link" / "receipt.key"):
        with pytest.raises(ReceiptKeyError, match="in the data folder"):
            load_or_create(path, data)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_it_is_refused_where_others_can_use_it(tmp_path: Path, mode: int) -> None:
    """Read or write, group or others."""
    path = tmp_path / "receipt.key"
    load_or_create(path, tmp_path / "data")
    path.chmod(mode)
    with pytest.raises(ReceiptKeyError, match="chmod 600"):
        load_or_create(path, tmp_path / "data")


@pytest.mark.parametrize("text", ["", "# no key\n", "abc\n", "zz" * 32 + "\n", "ab" * 31 + "\n", "\u00e9\n"])
def test_it_is_refused_where_it_holds_no_keys(tmp_path: Path, text: str) -> None:
    """Empty, cut short, or no digits."""
    path = tmp_path / "receipt.key"
    path.write_bytes(text.encode())
    path.chmod(0o600)
    with pytest.raises(ReceiptKeyError):
        load(path)


def test_a_rotation_keeps_the_keys_of_before(tmp_path: Path) -> None:
    """The new key signs, the old ones verify; the file is as closed as it was."""
    path = tmp_path / "receipt.key"
    old = load_or_create(path, tmp_path / "data").newest
    new = rotate(path).newest
    keys = load(path)
    assert keys.newest.id == new.id != old.id
    assert keys.get(old.id) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ReceiptKeyError):
        rotate(tmp_path / "nowhere")


def test_it_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the user's folder of states, as XDG names it or where it is by default."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "runward" / "receipt.key"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "state" / "runward" / "receipt.key"


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A folder that is none."""
    (tmp_path / "file").touch()
    with pytest.raises(ReceiptKeyError, match="cannot be used"):
        load_or_create(tmp_path / "file" / "receipt.key", tmp_path / "data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
