"""The file of receipt keys: outside the data folder, for the service's user alone."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from pathlib import Path

from runward_service.domain.receipt_keys import SECRET_BYTES, ReceiptKey, ReceiptKeys, new_secret

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO
HEADER = "# Keys of Runward's receipts, one a line, the newest last. Back them up, apart from the data.\n"


class ReceiptKeyError(Exception):
    """The keys cannot be used; the message tells why and what to do."""


def default_path() -> Path:
    """Where the keys are when no option says so: in the user's folder of states. Raises ReceiptKeyError."""
    try:
        folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise ReceiptKeyError("this user has no home; name a file with --receipt-key") from error
    return Path(folder) / "runward" / "receipt.key"


def load_or_create(path: Path | None, data_folder: Path) -> ReceiptKeys:
    """The keys of a file (None: default_path), with a first one where it is not there.

    Raises ReceiptKeyError for a file in the data folder, or one that others can read or that holds no keys.
    """
    chosen = checked_place(path or default_path(), data_folder)
    try:
        if not chosen.exists():
            create(chosen)
        return read(chosen)
    except OSError as error:
        raise ReceiptKeyError(f"the receipt keys {chosen} cannot be used: {error}") from error


def load_again(path: Path | None, data_folder: Path) -> ReceiptKeys:
    """The keys of a file that load_or_create gave keys of before. Raises ReceiptKeyError as that."""
    chosen = path or default_path()
    try:
        return read(checked_place(chosen, data_folder))
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead round
        raise ReceiptKeyError(f"the receipt keys {chosen} cannot be read: {error}") from error


def load(path: Path | None) -> ReceiptKeys:
    """The keys of a file that is there (None: default_path). Raises ReceiptKeyError."""
    chosen = path or default_path()
    try:
        return read(chosen)
    except OSError as error:
        raise ReceiptKeyError(f"the receipt keys {chosen} cannot be read: {error}") from error


def checked_place(path: Path, data_folder: Path) -> Path:
    """The same path. Raises ReceiptKeyError where it lies in the data folder: who can write there could sign."""
    if path.resolve().is_relative_to(data_folder.resolve()):
        message = f"the receipt keys {path} lie in the data folder; name a file elsewhere with --receipt-key"
        raise ReceiptKeyError(message)
    return path


def create(path: Path) -> None:
    """Make a file with one new key. Where several processes do so at once, one file comes about, whole."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    arriving = write_beside(path, HEADER + new_secret().hex() + "\n")
    try:
        os.link(arriving, path)
    except FileExistsError:
        return  # another process was first: its keys are taken
    finally:
        arriving.unlink()
        sync_folder(path.parent)


def rotate(path: Path | None) -> ReceiptKeys:
    """Add a new key, which servers sign with as soon as they see it; all keys. Raises ReceiptKeyError."""
    chosen = path or default_path()
    try:
        file = chosen.resolve(strict=True)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # the file itself is replaced
            read(file)
            text = file.read_text(encoding="ascii").rstrip("\n")
            write_beside(file, f"{text}\n{new_secret().hex()}\n").replace(file)
            os.fsync(folder)
        finally:
            os.close(folder)
        return read(file)
    except OSError as error:
        raise ReceiptKeyError(f"the receipt keys {chosen} cannot be changed: {error}") from error


def read(path: Path) -> ReceiptKeys:
    """The keys of a file. Raises ReceiptKeyError where others can read it or it holds no keys, or OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ReceiptKeyError(f"the receipt keys {path} are no file")
        if status.st_mode & OTHERS or status.st_uid not in {os.geteuid(), 0}:
            raise ReceiptKeyError(f"others than this user can use the receipt keys {path}: chmod 600 it")
        lines = [line.strip() for line in file.read().splitlines()]
    secrets_found = [line for line in lines if line and not line.startswith(b"#")]
    try:
        keys = [ReceiptKey(bytes.fromhex(line.decode("ascii"))) for line in secrets_found]
    except ValueError as error:
        message = f"the receipt keys {path} are damaged: a line has {2 * SECRET_BYTES} hexadecimal digits"
        raise ReceiptKeyError(message) from error
    if not keys:
        raise ReceiptKeyError(f"{path} holds no receipt key")
    return ReceiptKeys(keys)


def write_beside(path: Path, text: str) -> Path:
    """A new file beside one, with this text, on disk and for this user alone."""
    arriving = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return arriving


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
