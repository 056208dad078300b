"""What the plugins found, as a person would want to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from runward.cli.text import plain
from tests.demo.thumbnail import palette, thumbnail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType

    from runward import Job
    from tests.demo.picture import Picture

WIDE = 100
"""Columns from which on a terminal has room for larger pictures."""
THUMBNAIL, LARGE_THUMBNAIL = (14, 5), (24, 7)
TEXT_LINES = 6
"""How many of a page's lines are shown."""
COLOURS = 5


def results_table(console: Console, pictures: Sequence[Picture], jobs: Mapping[tuple[str, str], Job]) -> Table:
    """Show a row for each picture: what it is, and what stands in it."""
    coloured = console.color_system is not None
    table = Table(box=box.ROUNDED, show_lines=True, border_style="dim", padding=(0, 1))
    if coloured:
        table.add_column("picture", no_wrap=True, vertical="middle")
    table.add_column("image_info", no_wrap=True, min_width=24)
    table.add_column("barcode and ocr", overflow="fold")
    size = LARGE_THUMBNAIL if console.width >= WIDE else THUMBNAIL
    for picture in pictures:
        info, codes, page = (jobs[picture.name, name].result or {} for name in ("image_info", "barcode", "ocr"))
        shown = [thumbnail(picture.path, *size)] if coloured else []
        table.add_row(*shown, looks(picture.name, info, coloured=coloured), readings(codes, page))
    return table


def looks(name: str, info: Mapping[str, Any], *, coloured: bool) -> RenderableType:
    """Tell what image_info found, in five lines."""
    turned = ", turned" if info["orientation"]["applied"] else ""
    exposure = info["exposure"]
    swatches = [colour["hex"] for colour in info["dominant_colours"][:COLOURS]]
    return Group(
        Text(name, style="bold"),
        Text(f"{info['width']} \N{MULTIPLICATION SIGN} {info['height']} {info['format']}{turned}"),
        Text(f"{info['blur']['verdict']} · {brightness(exposure['mean_luminance'])}"),
        palette(swatches if coloured else swatches[:3], coloured=coloured),
        Text(f"phash {info['hashes']['phash']}", style="dim"),
    )


def brightness(luminance: float) -> str:
    """Put a mean luminance, from 0 to 1, in a word."""
    word = "dark" if luminance < 0.3 else "bright" if luminance > 0.7 else "medium"
    return f"{word}, {luminance:.0%}"


def readings(codes: Mapping[str, Any], page: Mapping[str, Any]) -> RenderableType:
    """Tell what barcode and ocr read: each code with its format, then the text."""
    lines = [
        Text.assemble((f"{code['format']} ", "bold magenta"), plain(code["text"], "magenta")) for code in codes["codes"]
    ]
    rows = page["text"].splitlines()
    for row in rows[:TEXT_LINES]:
        line = plain(row, "green")
        line.no_wrap, line.overflow = True, "ellipsis"
        lines.append(line)
    if len(rows) > TEXT_LINES:
        lines.append(Text(f"… {len(rows)} lines in all", style="dim"))
    return Group(*lines) if lines else Text("no code, no text", style="dim")
