"""A JSON value as a person reads it: fields below one another, lists of like things as tables."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from runward.cli.text import plain, short

_MAX_COLUMNS = 8
_MAX_ROWS = 50
_LONG_CELL = 80


def value_view(value: Any) -> RenderableType:
    """Render any JSON value."""
    if isinstance(value, dict):
        return fields_view(value)
    if isinstance(value, list):
        return _list_view(value)
    return plain(_scalar(value))


def fields_view(fields: dict[str, Any]) -> RenderableType:
    """Render a mapping: names at the left, values at the right, what is short before what is long."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in sorted(fields.items(), key=lambda field: _bulk(field[1])):
        grid.add_row(plain(name), value_view(value))
    return grid


def _list_view(items: list[Any]) -> RenderableType:
    if not items:
        return plain("none", "dim")
    if all(isinstance(item, dict) for item in items):
        return _table_view(items)
    if any(isinstance(item, (dict, list)) for item in items):
        return plain(short(items, 200))
    return plain(", ".join(_scalar(item) for item in items))


def _table_view(items: list[dict[str, Any]]) -> RenderableType:
    names = _columns(items)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names[:_MAX_COLUMNS]:
        table.add_column(plain(name), overflow="fold")
    for item in items[:_MAX_ROWS]:
        table.add_row(*(plain(_cell(item.get(name))) for name in names[:_MAX_COLUMNS]))
    left_out = []
    if len(items) > _MAX_ROWS:
        left_out.append(f"{len(items) - _MAX_ROWS} more rows")
    if len(names) > _MAX_COLUMNS:
        left_out.append(f"columns {', '.join(names[_MAX_COLUMNS:])}")
    return Group(table, plain(f"… {' and '.join(left_out)}: see --json", "dim")) if left_out else table


def _columns(items: list[dict[str, Any]]) -> list[str]:
    """Name the columns that hold anything: text first, for it is what people look for, and lists of numbers last."""
    names = dict.fromkeys(name for item in items for name, value in item.items() if value not in (None, "", [], {}))
    return sorted(names, key=lambda name: (name != "text", max(_bulk(item.get(name)) for item in items)))


def _bulk(value: Any) -> int:
    """Rank a value by the room that it takes."""
    if isinstance(value, list):
        return 2 if any(isinstance(item, (dict, list)) for item in value) else 1
    return 1 if isinstance(value, dict) else 0


def _cell(value: Any) -> str:
    return "" if value is None else short(_scalar(value), _LONG_CELL)


def _scalar(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else short(value, 200)
