"""Methods of strings that are known: what can be worked out of them."""

from __future__ import annotations

from runward_scanner.inference import containers, strings
from runward_scanner.inference.values import NOTHING, OPAQUE, Container, Method, Text, Value, one, texts
from runward_scanner.patterns import Pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame


def of_text(frame: Frame, method: Method, arguments: Arguments, node: ast.AST) -> Value:
    """What calling a method of a known string gives."""
    text = method.receiver
    if type(text) is not Text:
        return OPAQUE
    if method.name == "join" and len(arguments.positional) == 1:
        return _join(frame, text.text, arguments.positional[0], node)
    if method.name in SPLITTING and len(text.text) < LONGEST_SPLIT:
        return _split(frame, text.text, method.name, arguments, node)
    if method.name == "format" and "." in text.text:
        for owner, attribute in FIELDS.findall(text.text):
            given = arguments.keywords.get(owner) or arguments.at(int(owner) if owner.isdecimal() else 0)
            frame.attribute(given, attribute, node)
    if method.name == "format" and (arguments.keywords or arguments.rest or arguments.mapping):
        return _format(text.text, arguments)
    return strings.method(text.text, method.name, arguments.positional) | strings.taint_of(arguments.positional)


def _split(frame: Frame, text: str, name: str, arguments: Arguments, node: ast.AST) -> Value:
    """The parts of a known string, in order."""
    given = [texts(argument) for argument in arguments.positional]
    if arguments.keywords or any(len(choices) != 1 for choices in given[:1]):
        return OPAQUE
    try:
        parts = getattr(text, name)(*(choices[0] for choices in given[:1]))
    except ValueError:
        return OPAQUE
    return containers.make(frame, "list", [one(Text(part)) for part in parts], node)


SPLITTING = frozenset({"partition", "rpartition", "rsplit", "split"})
LONGEST_SPLIT = 200
FIELDS = Pattern(r"\{(\w*)\.(\w+)")
"""Attributes that a format takes."""


def _join(frame: Frame, separator: str, parts: Value, node: ast.AST) -> Value:
    found = NOTHING
    for atom in parts:
        ordered = containers.positions(frame, atom) if type(atom) is Container else None
        if ordered is not None:
            spaced = [piece for part in ordered for piece in (one(Text(separator)), part)][1:]
            found |= strings.joined(spaced)
        elif type(atom) is Text:
            found |= one(Text(separator.join(atom.text)))
        else:
            found |= strings.COMPUTED | strings.taint_of([containers.elements(frame, one(atom), node)])
    return found or strings.COMPUTED


def _format(template: str, arguments: Arguments) -> Value:
    taint = strings.taint_of([arguments.every()])
    given = [texts(value) for value in arguments.positional]
    named = {name: texts(value) for name, value in arguments.keywords.items()}
    if arguments.rest or arguments.mapping or any(len(items) != 1 for items in (*given, *named.values())):
        return strings.COMPUTED | taint
    try:
        made = template.format(*(items[0] for items in given), **{name: items[0] for name, items in named.items()})
    except (KeyError, IndexError, ValueError, AttributeError):
        return strings.COMPUTED | taint
    return one(Text(made)) | taint
