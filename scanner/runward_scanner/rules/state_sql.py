"""Words that SQL texts write where a table of plugins keeps the lifecycle state."""

from __future__ import annotations

import ast

from runward_scanner.patterns import Pattern
from runward_scanner.walking import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runward_scanner.inference.model import ModuleInfo

VERBS = (b"UPDATE ", b"INSERT ", b"SELECT ", b"CREATE TABLE", b"DELETE ")
CONSTANTS = frozenset({ast.Constant})
TABLE = Pattern(
    r"(?i)\b(?:UPDATE|INTO|FROM|JOIN|TABLE(?:\s+IF\s+NOT\s+EXISTS)?)\s+[\"`\[]?(?:plugins?|plugin_(?:states?|registry|entries))\b"
)
COLUMN = r"\b(?:plugin_|lifecycle_)?state\b[\"`\]]?"
COMPARED = Pattern(rf"(?i){COLUMN}\s*(?:=|<>|!=|==|\bIS\b)\s*'(\w+)'")
LISTED = Pattern(rf"(?i){COLUMN}\s+(?:NOT\s+)?IN\s*\(([^()]*)\)")
DEFAULT = Pattern(rf"(?i){COLUMN}[^,()]*\bDEFAULT\s+'(\w+)'")
INSERTED = Pattern(r"(?i)\bINTO\s+\S+\s*\(([^()]*)\)\s*VALUES\s*\(([^()]*)\)")
STATE = Pattern(r"(?i)[\"`\[]?(?:plugin_|lifecycle_)?state[\"`\]]?")
QUOTED = Pattern(r"'(\w+)'")


def words_in_sql(module: ModuleInfo) -> Iterator[tuple[ast.AST, list[str]]]:
    """Give the words of each SQL text of a module that stand for a plugin's state."""
    data = module.source.data
    if b"state" not in data or not any(verb in data for verb in VERBS):
        return
    for node in find(module.tree, CONSTANTS):
        if isinstance(node.value, str) and "state" in node.value and _names_plugins(node.value):
            words = list(_words(node.value))
            if words:
                yield node, words


def _names_plugins(text: str) -> bool:
    """Whether a text names a table of plugins, as SQL does."""
    return "plugin" in text.lower() and TABLE.search(text) is not None


def _words(text: str) -> Iterator[str]:
    yield from COMPARED.findall(text)
    yield from DEFAULT.findall(text)
    for listed in LISTED.findall(text):
        yield from QUOTED.findall(listed)
    for columns, values in INSERTED.findall(text):
        for column, value in zip(columns.split(","), values.split(","), strict=False):
            if STATE.fullmatch(column.strip()):
                yield from QUOTED.findall(value)
