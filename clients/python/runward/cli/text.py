"""Values as short text for a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_STYLES = {
    "PENDING": "yellow",
    "LOADED": "yellow",
    "UNKNOWN": "yellow",
    "UNVERIFIABLE": "yellow",
    "RUNNING": "cyan",
    "SUCCESS": "green",
    "INITIALIZED": "green",
    "SERVING": "green",
    "REPRODUCIBLE": "green",
    "ATTESTED": "green",
    "UNATTESTED": "yellow",
}
"""The colours of statuses, states, verdicts; red for all others."""


def plain(text: object, style: str = "") -> Text:
    """Give text as it is: no markup is read from it, and control characters cannot reach the terminal."""
    return Text("".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(text)), style)


def status_text(status: str) -> Text:
    """Give a status, state or verdict in its colour."""
    return Text(status, style=_STYLES.get(status, "bold red"))


def short(value: Any, length: int = 60) -> str:
    """Give a JSON value on one line, cut to a length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def brief(result: dict[str, Any] | None) -> str:
    """Give the gist of a result on one line: its text, or that of its items; else its plain values."""
    if not result:
        return ""
    text = result.get("text")
    if isinstance(text, str):
        return short(text) or "no text"
    for items in result.values():
        texts = [item["text"] for item in _dicts(items) if isinstance(item.get("text"), str)]
        if texts:
            return short(", ".join(texts))
    scalars = {key: value for key, value in result.items() if value is not None and not isinstance(value, (dict, list))}
    return short(", ".join(f"{key} {short(value, 30)}" for key, value in scalars.items()))


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def clock(time: datetime | None) -> str:
    """Give a moment in the reader's own time zone; empty for none."""
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def span(time: timedelta | None) -> str:
    """Give a duration in the unit that suits it; empty for none, or for nothing measured."""
    if not time:
        return ""
    seconds = time.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:g} days"


def size(count: int) -> str:
    """Give a number of bytes in the unit that suits it."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
