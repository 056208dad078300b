"""Functions of the standard library that make strings."""

from __future__ import annotations

import ast

from runward_scanner.inference import strings
from runward_scanner.inference.values import OPAQUE, UNKNOWN, Role, Text, Value, one, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame


def str_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``str``, ``repr`` and ``format``."""
    first = arguments.at(0)
    taint = strings.taint_of([first])
    known = texts(first)
    if known and path == "builtins.str":
        return frozenset(Text(text) for text in known) | taint
    return taint or frozenset({Role.COMPUTED})


def chr_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``chr``."""
    if type(node) is ast.Call and node.args and type(node.args[0]) is ast.Constant:
        code = node.args[0].value
        if isinstance(code, int) and 0 < code < 0x110000:
            return one(Text(chr(code)))
    return strings.COMPUTED


def bytes_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``bytes``."""
    if type(node) is ast.Call and len(node.args) == 1 and isinstance(node.args[0], (ast.List, ast.Tuple)):
        codes = [item.value for item in node.args[0].elts if type(item) is ast.Constant and isinstance(item.value, int)]
        if len(codes) == len(node.args[0].elts) and all(0 < code < 128 for code in codes):
            return one(Text("".join(map(chr, codes))))
    return arguments.at(0) if texts(arguments.at(0)) else OPAQUE


def decoded(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """Text that is written out in base 64 or rot13: decoded."""
    rotated = {"rot13", "rot_13", "rot-13"}.issuperset(texts(arguments.at(1)))
    if path != "base64.b64decode" and not (rotated and texts(arguments.at(1))):
        return strings.COMPUTED
    import binascii  # noqa: PLC0415 - hardly any code needs it; ``base64`` loads regular expressions
    import codecs  # noqa: PLC0415 - as above

    try:
        made = [
            binascii.a2b_base64(text).decode() if path == "base64.b64decode" else codecs.decode(text, "rot13")
            for text in texts(arguments.at(0))
        ]
    except ValueError:
        return strings.COMPUTED
    return frozenset(map(Text, made)) or strings.COMPUTED


def setting(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """A variable of the environment: anything, and what stands for it where there is none."""
    return strings.COMPUTED | frozenset(atom for atom in arguments.at(1, "default") if type(atom) is Text)


def reversed_(frame: Frame, path: str, arguments: Arguments, node: ast.AST) -> Value:
    """``reversed``: the same elements, of a string its letters from the end."""
    return frozenset(Text(atom.text[::-1]) if type(atom) is Text else atom for atom in arguments.at(0)) or UNKNOWN
