"""What is measured: figures, and the targets that some of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.statistics import median

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Target:
    """A limit that a figure has to keep: ``at_least`` or at most; ``aim`` is for orientation and no verdict."""

    limit: float
    at_least: bool = False
    aim: bool = False

    def met(self, value: float) -> bool:
        """Tell whether a value keeps the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def times(self, value: float) -> float:
        """Tell how many times better than the limit a value is: 1 just keeps it, below 1 does not."""
        if not self.at_least:
            return self.limit / value if value > 0 else float("inf")
        return value / self.limit

    @classmethod
    def of_form(cls, form: Mapping[str, Any]) -> Target:
        """Read the form that Figure.form gives."""
        at_least = "at_least" in form
        return cls(form["at_least" if at_least else "at_most"], at_least, form["aim"])

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a measure: a name, the value in a unit ("" for a ratio), and what the rounds gave."""

    measure: str
    name: str
    value: float
    unit: str = ""
    target: Target | None = None
    rounds: tuple[float, ...] = ()

    @classmethod
    def of_rounds(
        cls, measure: str, name: str, rounds: Sequence[float], unit: str = "", target: Target | None = None
    ) -> Figure:
        """Make the figure that is the median of some rounds."""
        return cls(measure, name, median(rounds), unit, target, tuple(rounds))

    @classmethod
    def of_form(cls, measure: str, form: Mapping[str, Any]) -> Figure:
        """Read the form that ``form`` gives, of a figure of a measure."""
        target = Target.of_form(form["target"]) if "target" in form else None
        return cls(measure, form["name"], form["value"], form["unit"], target, tuple(form["rounds"]))

    @property
    def missed(self) -> bool:
        """Whether it has a target, no mere aim, that it does not keep."""
        return self.target is not None and not self.target.aim and not self.target.met(self.value)

    def form(self) -> dict[str, Any]:
        """Give the form in which programs take it."""
        form: dict[str, Any] = {"measure": self.measure, "name": self.name, "value": self.value, "unit": self.unit}
        form["rounds"] = list(self.rounds)
        if self.target is not None:
            kind = "at_least" if self.target.at_least else "at_most"
            form |= {"target": {kind: self.target.limit, "aim": self.target.aim}, "met": self.target.met(self.value)}
        return form
