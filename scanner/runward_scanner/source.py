"""Reading Python files as the interpreter does: byte order mark, declared encoding, any line ending."""

from __future__ import annotations

import ast
import codecs
import io
import os
import warnings

MOST_BYTES = 64 * 1024 * 1024
"""Of one file: to parse it takes a hundred times as much."""


class UnreadableError(Exception):
    """A file that cannot be read or parsed; ``line`` says where, 1 where that is not known."""

    def __init__(self, reason: str, line: int = 1) -> None:
        """Hold the reason (a clause without a full stop) and the line from 1."""
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Source:
    """One file: the path to show, its bytes, and the text and tree once they were asked for."""

    def __init__(self, shown: str, data: bytes) -> None:
        """Take what is known from the beginning."""
        self.shown = shown
        self.data = data
        self._text: str | None = None
        self._lines: list[str] | None = None

    @property
    def text(self) -> str:
        r"""The decoded text with ``\\n`` line ends. Raises UnreadableError where the bytes do not decode."""
        if self._text is None:
            self._text = decode(self.data)
        return self._text

    @property
    def lines(self) -> list[str]:
        """The text's lines without their ends, as the parser counts them; empty where nothing decodes."""
        if self._lines is None:
            try:
                # str.splitlines also splits at form feeds and the like, which the parser does not.
                self._lines = self.text.split("\n")
            except UnreadableError:
                self._lines = []
        return self._lines

    def parse(self) -> ast.Module:
        """Parse the file. Raises UnreadableError with the reason and the line."""
        text = self.text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(text, self.shown)
            except SyntaxError as error:
                raise UnreadableError(f"it does not parse: {error.msg}", error.lineno or 1) from error
            except (ValueError, RecursionError, MemoryError) as error:
                raise UnreadableError(f"it does not parse: {str(error) or type(error).__name__}") from error


def read(shown: str) -> Source:
    """Read a file's bytes. Raises UnreadableError where the system refuses, and for more than anybody writes."""
    try:
        with open(shown, "rb", buffering=0) as file:  # read at one go
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise UnreadableError(f"it is larger than {MOST_BYTES >> 20} MiB")
            return Source(shown, file.read())
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {error.strerror or error}") from error


def decode(data: bytes) -> str:
    """Decode as Python does: BOM first, then the coding line, else UTF-8. Raises UnreadableError."""
    try:
        head = data[: data.find(b"\n", data.find(b"\n") + 1)]
        if not (b"coding:" in head or b"coding=" in head or data.startswith(codecs.BOM_UTF8)):
            text = data.decode()  # the usual file, told quickest
            return text.replace("\r\n", "\n").replace("\r", "\n") if b"\r" in data else text
    except UnicodeDecodeError:
        pass  # the reason is told below
    import tokenize  # noqa: PLC0415 - the usual file says nothing of its encoding

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError, ValueError) as error:
        raise UnreadableError(f"it does not decode: {error}") from error
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")
