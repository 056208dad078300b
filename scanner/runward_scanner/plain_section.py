"""The section of a pyproject.toml that is written plainly, read without what reads TOML, which takes long to load."""

from __future__ import annotations

from runward_scanner.patterns import Pattern

LISTED = Pattern(r'([a-z_]+)\s*=\s*\[\s*(?:"([^"\\]*)"\s*,?\s*|)\]\s*(?:#.*)?')
"""A key and a list of one string, or of none, which is how most of them are."""


def plain_section(text: str, name: str) -> dict[str, list[str]] | None:
    """The section, by key, where it stands once and is nothing but lists of at most one string, a line each.

    None where it is not, or where any other line could mean the section too: a key of its name, a key that is written
    with escapes, an inline table or a string over several lines.
    """
    header = f"[tool.{name}]"
    if "\\" in text or '"""' in text or "'''" in text:
        return None
    found: dict[str, list[str]] | None = None
    inside = False
    for line in text.split("\n"):
        if line == header and found is None:
            found, inside = {}, True
        elif line.startswith("["):
            if name in line:
                return None
            inside = False
        elif inside and line.strip() and not line.startswith("#"):
            read = LISTED.fullmatch(line)
            if read is None or found is None or read[1] in found:
                return None
            found[read[1]] = [read[2]] if read[2] is not None else []
        elif line.count("{") != line.count("}"):
            return None
        elif name in line:
            before = line.partition(name)[0]
            if "=" not in before or "{" in before:
                return None
    return found
