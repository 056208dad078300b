"""One invocation, for both command lines: what is printed where, and the exit code."""

from __future__ import annotations

import io
import os
import sys

from runward_scanner.report import FORMATS
from runward_scanner.scan import NothingToScanError, scan
from runward_scanner.settings import SettingsError, default_settings
from runward_scanner.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLEAN, FOUND, UNUSABLE = 0, 1, 2
"""Exit codes: no finding; a finding; the scan could not be made."""


class Answer(NamedTuple):
    """What goes to standard output, what to standard error, and the exit code."""

    output: str
    problem: str
    code: int


def tell(answer: Answer, program: str) -> int:
    """Print an answer; the exit code. A reader that wants only the beginning, such as head, changes nothing; a report
    that cannot be written is none.
    """
    if answer.problem:
        sys.stderr.write(f"{program}: {answer.problem}\n")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(answer.output)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer goes nowhere
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"{program}: The report cannot be written: {error.strerror}.\n")
            return UNUSABLE
    return answer.code


def explained(rule: str) -> Answer:
    """Explain a rule."""
    from runward_scanner.explain import codes, explain  # noqa: PLC0415 - a scan from the cache needs no rules

    text = explain(rule)
    if text is None:
        return Answer("", f"There is no rule {rule}; there are {', '.join(codes())}.", UNUSABLE)
    return Answer(text, "", CLEAN)


def scanned(
    path: str | Path,
    report_format: str,
    cache: Path | None = None,
    *,
    isolated: bool = False,
    compiled: bool = False,
    compiled_in: Sequence[Path] = (),
    is_last: bool = False,
) -> Answer:
    """Scan and write a report; ``isolated`` by the default settings, whatever pyproject.toml lies above the path,
    ``compiled`` with a look at compiled files, at those in further folders with ``compiled_in``, ``is_last`` where the
    process ends after it.

    A fault of the scanner itself is no finding: it ends as a scan that could not be made.
    """
    try:
        settings = default_settings(path) if isolated else None
        report = scan(path, settings, cache, compiled=compiled, compiled_in=compiled_in, is_last=is_last)
        return Answer(_printable(FORMATS[report_format](report)), "", FOUND if report.findings else CLEAN)
    except (NothingToScanError, SettingsError, OSError) as error:
        return Answer("", _printable(f"{error}."), UNUSABLE)
    except Exception as error:  # noqa: BLE001 - whatever it is; Python's own exit code for it would read as findings
        import traceback  # noqa: PLC0415 - as above

        told = "".join(traceback.format_exception(error))
        return Answer("", _printable(f"{told}The scan failed: {type(error).__name__}."), UNUSABLE)


def _printable(text: str) -> str:
    """The text with what stands for the bytes of names that are no UTF-8 written as escapes."""
    return text.encode(errors="backslashreplace").decode()
