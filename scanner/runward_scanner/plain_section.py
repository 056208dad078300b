"""The section of a pyproject.toml that is written plainly, read without what reads TOML, which takes long to load."""

from __future__ import annotations


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
            read = _listed(line)
            if read is None or found is None or read[0] in found:
                return None
            found[read[0]] = read[1]
        elif line.count("{") != line.count("}"):
            return None
        elif name in line:
            before = line.partition(name)[0]
            if "=" not in before or "{" in before:
                return None
    return found


def _listed(line: str) -> tuple[str, list[str]] | None:
    """The key and the list of one string, or of none, that a line without escapes is; None where it is anything else.

    Written without a pattern: a section has two such lines, and compiling takes as long as reading a hundred.
    """
    key, _, rest = (part.strip() for part in line.partition("="))
    inner, closed, after = (part.strip() for part in rest.removeprefix("[").partition("]"))
    is_key = key.isascii() and key.replace("_", "a").isalpha() and key.islower()
    if not is_key or not rest.startswith("[") or not closed or not (not after or after.startswith("#")):
        return None
    if not inner:
        return key, []
    text = inner.removesuffix(",").rstrip()
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')) or text.count('"') > 2:
        return None
    return key, [text[1:-1]]
