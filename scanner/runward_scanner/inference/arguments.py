"""The arguments of a call."""

from __future__ import annotations

from types import MappingProxyType

from runward_scanner.inference.values import NOTHING, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_KEYWORDS: Mapping[str, Value] = MappingProxyType({})


class Arguments:
    """Positional and keyword arguments; ``rest`` is what star arguments may hold, ``mapping`` what ``**`` may.

    They are not changed once they have been handed to a call.
    """

    __slots__ = ("keywords", "mapping", "positional", "rest")

    def __init__(
        self,
        positional: list[Value] | None = None,
        keywords: Mapping[str, Value] = NO_KEYWORDS,
        rest: Value = NOTHING,
        mapping: Value = NOTHING,
    ) -> None:
        """Take what is given; nothing of it is copied."""
        self.positional = positional if positional is not None else []
        self.keywords = keywords
        self.rest = rest
        self.mapping = mapping

    def at(self, index: int, name: str = "") -> Value:
        """The argument at a position or with a name; nothing where it is not given."""
        if index < len(self.positional):
            return self.positional[index]
        if name and name in self.keywords:
            return self.keywords[name]
        return self.rest | self.mapping if name else self.rest

    def all(self) -> Sequence[Value]:
        """The values that are handed over, each by itself."""
        if self.keywords or self.rest or self.mapping:
            return (*self.positional, *self.keywords.values(), self.rest, self.mapping)
        return self.positional

    def every(self) -> Value:
        """All that is handed over."""
        return NOTHING.union(*self.all())

    def after(self, count: int) -> Arguments:
        """The arguments without the first ones."""
        return Arguments(self.positional[count:], self.keywords, self.rest, self.mapping)

    def before(self, *values: Value) -> Arguments:
        """The arguments with others put before them."""
        return Arguments([*values, *self.positional], self.keywords, self.rest, self.mapping)
