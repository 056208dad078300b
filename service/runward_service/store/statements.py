"""Named SQL statements from the .sql files beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


@cache
def statements(file_name: str) -> dict[str, str]:
    """The statements of a file under ``sql/``, by the names that its ``-- name:`` lines give.

    Raises FileNotFoundError when there is no such file.
    """
    text = resources.files("runward_service.store").joinpath("sql", file_name).read_text(encoding="utf-8")
    parts = NAME.split(text)[1:]
    named = {
        name: COMMENT.sub("", body).strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)
    }
    if columns := named.get("job_columns"):
        without = columns.replace("{result}", "NULL")
        with_result = columns.replace("{result}", "job.result")
        for name, body in named.items():
            named[name] = body.replace("{columns_with_result}", with_result).replace("{columns}", without)
    return named
