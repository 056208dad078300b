"""RWD002: the final block of ToolRunner.run, and the metrics call in it, taken out of force."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.scanner.mutation.mutation_operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scanner.mutation.draft import Draft
    from tests.scanner.mutation.mutation_operator import Change
    from tests.scanner.mutation.service_source import ServiceSource

PATH = "runtime/tool_runner.py"


@dataclass(frozen=True, slots=True)
class FinalBlock:
    """The try of ToolRunner.run, the metrics call in its final block, and that call's text."""

    draft: Draft
    whole: ast.Try
    call: ast.stmt
    written: str

    def instead(self, code: str) -> Draft:
        """Other statements in place of the call; ``{call}`` stands for it."""
        return self.draft.exchanged(self.call, code.replace("{call}", self.written))

    def without(self) -> Draft:
        """The try with no final block."""
        end = self.whole.handlers[-1].body[-1]
        return self.draft.exchanged(end, self.draft.segment(end), self.whole.finalbody[-1])


def final_block(source: ServiceSource) -> FinalBlock:
    """Find the try of ToolRunner.run. Raises LostSiteError."""
    draft = source.draft(PATH)
    run = draft.function("ToolRunner.run")
    found = draft.one(run, lambda node: isinstance(node, ast.Try) and bool(node.finalbody), "the try with a finally")
    assert isinstance(found, ast.Try)
    call = draft.statement(ast.Module(found.finalbody, []), "update_execution_metrics")
    return FinalBlock(draft, found, call, draft.segment(call))


def dropped(source: ServiceSource) -> Iterator[Change]:
    """No final block at all."""
    block = final_block(source)
    yield "with its call", block.without()
    yield "the call after the try", block.without().before(_tail(block.without()), block.written)
    yield "the call in an else", block.draft.substituted(block.whole, "finally:", "else:")


def _tail(draft: Draft) -> ast.stmt:
    return draft.statement(draft.function("ToolRunner.run"), "end_us = now_us()")


def emptied(source: ServiceSource) -> Iterator[Change]:
    """A final block, or the method that it calls, does nothing."""
    block = final_block(source)
    yield "pass", block.instead("pass")
    yield "a log line", block.instead('logger.info("the run is over")')
    yield "another method", block.instead("self._registry.entries()")
    yield "the method taken, not called", block.instead("self.update_execution_metrics")
    yield "the method's body", block.draft.emptied("ToolRunner.update_execution_metrics")


def moved(source: ServiceSource) -> Iterator[Change]:
    """The call stands elsewhere in run."""
    block = final_block(source)
    early = block.written.replace("result is not None", "False")
    emptied_block = block.instead("pass")
    run = emptied_block.function("ToolRunner.run")
    inside = next(node for node in run.body if isinstance(node, ast.Try))
    yield "before the try", emptied_block.before(inside, early)
    yield "at the end of the try's body", emptied_block.after(inside.body[-1], block.written)
    yield "at its beginning", emptied_block.before(inside.body[0], early)
    yield "after the try", emptied_block.before(_tail(emptied_block), block.written)
    handled = emptied_block
    for index in range(len(inside.handlers)):
        function = handled.function("ToolRunner.run")
        around = next(node for node in function.body if isinstance(node, ast.Try))
        handled = handled.after(around.handlers[index].body[-1], block.written)
    yield "in every handler", handled


CONDITIONS = {
    "if began": "if began:\n    {call}",
    "if succeeded": "if result is not None:\n    {call}",
    "if never": "if False:\n    {call}",
    "if not optimised": "if __debug__:\n    {call}",
    "one arm of two": 'if began:\n    {call}\nelse:\n    logger.info("it did not begin")',
    "and": "began and {call}",
    "or": "not began or {call}",
    "conditional expression": "{call} if began else None",
    "assert": "assert {call} is None",
    "loop": "for _ in range(int(began)):\n    {call}",
    "while": "while began:\n    {call}\n    break",
    "match without a rest": "match began:\n    case True:\n        {call}",
    "handler": "try:\n    control.check()\nexcept GovernedError:\n    {call}",
    "else of a try": "try:\n    control.check()\nexcept GovernedError:\n    pass\nelse:\n    {call}",
}

NESTED = {
    "uncalled function": "def count() -> None:\n    {call}",
    "uncalled coroutine": "async def count() -> None:\n    {call}\n\ncount()",
    "uncalled lambda": "count = lambda: {call}",
    "function handed to a loop": "def count() -> None:\n    {call}\n\nself._later = count",
    "class body's method": "class Count:\n    def count(inner) -> None:\n        {call}",
    "generator nobody iterates": "counted = ({call} for _ in (1,))",
    "comprehension over nothing": "counted = [{call} for _ in ()]",
}

LEFT = {
    "return before": "if not began:\n    return None\n{call}",
    "raise before": 'if not began:\n    raise RuntimeError("it did not begin")\n{call}',
    "assert before": "assert began\n{call}",
    "raising call before": "control.check()\n{call}",
    "await before": "await self._registry.resolve(job.plugin)\n{call}",
    "loop left before": "while True:\n    if not began:\n        break\n    {call}\n    break",
    "unreachable": "return None\n{call}",
}

RETURNED_OVER = {
    "return": "{call}\nreturn Outcome(job.id, job.attempt, job.plugin, now_us(), 0, began, result, digest, envelope)",
    "return behind a condition": "{call}\nif began:\n    return None",
    "return in a loop": "{call}\nfor _ in (1,):\n    return None",
    "return in a with": "{call}\nwith open(job.id):\n    return None",
    "return in a match": "{call}\nmatch began:\n    case _:\n        return None",
}


def forms(forms_by_site: dict[str, str], source: ServiceSource) -> Iterator[Change]:
    """The final block in other forms."""
    block = final_block(source)
    for site, code in forms_by_site.items():
        yield site, block.instead(code)


def conditioned(source: ServiceSource) -> Iterator[Change]:
    """The call stands behind a condition."""
    return forms(CONDITIONS, source)


def nested(source: ServiceSource) -> Iterator[Change]:
    """The call stands in code that nobody calls."""
    return forms(NESTED, source)


def left(source: ServiceSource) -> Iterator[Change]:
    """The block can be left before the call."""
    return forms(LEFT, source)


def returned_over(source: ServiceSource) -> Iterator[Change]:
    """The block leaves by a return, which swallows the exception in flight."""
    return forms(RETURNED_OVER, source)


def outside(source: ServiceSource) -> Iterator[Change]:
    """The plugin is run where the final block does not cover it."""
    block = final_block(source)
    draft = block.draft
    hand_over = draft.statement(block.whole, "self._pool.run(")
    short = 'if job.options.get("quick"):\n    {} await self._pool.run(self._registry.get(job.plugin), job, control)'
    yield "a short cut before the try", draft.before(block.whole, short.format("return"))
    yield "before the try", draft.before(block.whole, short.format("quick ="))
    yield "after the try", draft.before(_tail(draft), short.format("again ="))
    yield "in the final block", draft.before(block.call, draft.segment(hand_over))


METRICS_OPERATORS = (
    Operator("finally-dropped", "RWD002", "no `finally`", dropped),
    Operator("finally-emptied", "RWD002", "a `finally` that counts nothing", emptied),
    Operator("metrics-moved", "RWD002", "the call elsewhere in `run`", moved),
    Operator("metrics-conditioned", "RWD002", "the call behind a condition", conditioned),
    Operator("metrics-nested", "RWD002", "the call in code that nobody calls", nested),
    Operator("finally-left", "RWD002", "the block can be left before the call", left),
    Operator("finally-returned-over", "RWD002", "a return swallows the exception", returned_over),
    Operator("run-outside-try", "RWD002", "an execution that the `finally` does not cover", outside),
)
