"""The path that proves a finding: where the value came from."""

from __future__ import annotations

import ast

from runward_scanner.finding import Step
from runward_scanner.inference.reporting import place_of
from runward_scanner.inference.values import Class, Instance, Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.frame import Frame


def steps_to(frame: Frame, node: ast.expr) -> list[Step]:
    """Where what an expression holds was bound or written, nearest last."""
    if type(node) is ast.Name:
        site = frame.bound.get(node.id)
        if site is not None:
            return [Step(frame.place(site), f"{node.id} is bound here")]
        origin = frame.engine.heap.origin(frame.module, node.id)
        return [Step(place_of(*origin), f"{node.id} is bound here")] if origin is not None else []
    if type(node) is ast.Attribute:
        owners = [
            atom.info for atom in frame.engine.receivers.get(node, ()) if isinstance(atom, (Instance, Class, Module))
        ]
        origins = [origin for owner in owners if (origin := frame.engine.heap.origin(owner, node.attr)) is not None]
        if origins:
            return [Step(min(place_of(*origin) for origin in origins), f"{node.attr} is set here")]
        return steps_to(frame, node.value)
    if isinstance(node, (ast.Subscript, ast.Await, ast.Starred)):
        return steps_to(frame, node.value)
    return []
