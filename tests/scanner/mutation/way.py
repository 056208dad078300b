"""One way of reaching a plugin's run, written for a plugin named ``subject``."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.scanner.mutation.bypass import Bypass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Way:
    """Statements that run ``subject`` on ``payload`` and ``context``, with what they need around them.

    ``above`` are definitions of the module; ``files`` further modules of the service, by path below the package.
    ``core`` marks the ways that are tried at more places.
    """

    name: str
    about: str
    code: str
    imports: str = ""
    above: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    core: bool = False
    rule: str = "RWD001"

    @property
    def bypass(self) -> Bypass:
        """The way as something that can be executed by itself."""
        body = textwrap.indent(textwrap.dedent(self.code).strip(), "    ")
        definitions = textwrap.dedent(self.above).strip()
        head = f"from __future__ import annotations\n{textwrap.dedent(self.imports).strip()}\n\n{definitions}\n"
        code = f"{head}\n\ndef bypass(subject, payload, context):\n    outcome = None\n{body}\n    return outcome\n"
        return Bypass(code, self.files)
