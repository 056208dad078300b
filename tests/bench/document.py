"""docs/performance.md: every figure that was published, and how to measure it again."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.report import amount, machine_text, spread, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from tests.bench.record import Entry, Record

FILE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
HEAD = """\
# Performance

What follows is what `python -m tests.bench --write` measured and wrote. Each figure is the median of some rounds,
beside the least and the most that a round gave. What is compared is measured in turns, in one run, on one machine, the
load included; a ratio is taken round by round. So ratios say something about the service, while rates and times say as
much about the machine. An aim is no target: it shows how far there is to go.

No figure is bought: the run fails unless the measured server's commits are durable (WAL, `synchronous = FULL`), what
it answered is stored, plugins run in worker processes, and input and output are validated.

![How many times better than its target each figure is](performance.svg)

## How to measure it again

```
make bench                                        # all of it, which changes no file
.venv/bin/python -m tests.bench --only rate       # one measure; --quick for fewer and shorter rounds
make bench-peers                                  # beside other systems for jobs, which it installs under build/
.venv/bin/python -m tests.bench --only million    # a million stored jobs; --only peers-20000: more jobs for the peers
.venv/bin/python -m tests.bench --write           # and publish it here; with --only, that measure's section alone
```

`h2load` (Debian: `nghttp2-client`) makes the load of some measures; where it is not installed, a client in Python does,
and the names of figures say so. The numbers, with each round's, are in [performance.json](performance.json).

"""
COLUMNS = "| figure | median | rounds | target | verdict |\n| --- | ---: | ---: | ---: | --- |\n"


def render(record: Record, measures: Mapping[str, ModuleType]) -> str:
    """Write the document of a record; the sections, in the order of the measures, begin with what their modules say."""
    sections = [_section(name, module, record[name]) for name, module in measures.items() if name in record]
    return HEAD + "\n".join(sections)


def _section(name: str, module: ModuleType, entry: Entry) -> str:
    said = (inspect.getdoc(module) or "").strip()
    rows = []
    for figure in entry.figures:
        value = f"{amount(figure.value)} {figure.unit}".rstrip()
        target = str(figure.target) if figure.target else ""
        rows.append(f"| {figure.name} | {value} | {spread(figure)} | {target} | {verdict(figure).plain} |\n")
    rounds = "Few and short rounds (`--quick`). " if entry.quick else ""
    return f"## {name}\n\n{said}\n\n{COLUMNS}{''.join(rows)}\n{rounds}{machine_text(entry.machine)}\n"
