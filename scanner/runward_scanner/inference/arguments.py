"""The arguments of a call."""

from __future__ import annotations

from types import MappingProxyType

from runward_scanner.inference.values import NOTHING, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NO_KEYWORDS: Mapping[str, Value] = MappingProxyType({})


class Arguments:
    """Positional and keyword arguments; ``rest`` is what star arguments may hold, ``mapping`` what ``**`` may.

    They are not changed once they have been handed to a call.
    """

    __slots__ = ("_every", "keywords", "mapping", "positional", "rest")

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
        self._every: Value | None = None

    def at(self, index: int, name: str = "") -> Value:
        """The argument at a position or with a name; nothing where it is not given."""
        if index < len(self.positional):
            return self.positional[index]
        if name and name in self.keywords:
            return self.keywords[name]
        return self.rest | self.mapping if name else self.rest

    def every(self) -> Value:
        """All that is handed over."""
        if self._every is None:
            self._every = NOTHING.union(*self.positional, *self.keywords.values(), self.rest, self.mapping)
        return self._every

    def after(self, count: int) -> Arguments:
        """The arguments without the first ones."""
        return Arguments(self.positional[count:], self.keywords, self.rest, self.mapping)

    def before(self, *values: Value) -> Arguments:
        """The arguments with others put before them."""
        return Arguments([*values, *self.positional], self.keywords, self.rest, self.mapping)
