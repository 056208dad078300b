"""Tests of names by their words say what the regular expression beside each says."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from runward_scanner.inference.names import role_of_name
from runward_scanner.inference.values import Role
from runward_scanner.logging_calls import is_logger_name
from runward_scanner.rules.raw_errors import is_error_field, is_failing
from runward_scanner.rules.state_words import is_loose_name, is_state_name
from runward_scanner.rules.validators import is_output_check, is_owner_name, is_validator_name

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = r"_*(?:\w+_)?(?:log|logger|logging|structlog|warnings|sys|stderr|stdout|traceback)"
FIELD = r"_*(?:job_)?(?:error|errors|error_message|error_text|failure|failure_reason|error_detail)"
FAILING = (
    r"_*(?:fail|failed|finish_failed"
    r"|(?:mark|set|record|store|save|write|update)_(?:as_)?(?:job_)?(?:fail|failed|failure|error))"
    r"(?:_job|_run|_execution|_message)?"
    r"|_*(?:finish|end|complete|close|update|save)_(?:job|run|execution|attempt)"
)
OUTPUT = r"_*(?:validate|check|ensure)_(?:the_|plugin_)?(?:output|result|encoded|reply|response)\w*"
VALIDATOR = r"_*validate_(?:input|output|payload|result|request|encoded|reply|response)\w*"
PLUGIN = r"_*(?:.*_)?plugin(?:_?(?:instance|inst|obj|object|impl))?_?\d*"


@pytest.mark.parametrize(
    ("test", "pattern", "words"),
    [
        (is_logger_name, LOGGER, "log logger my sys x"),
        (is_error_field, FIELD, "job error message text failure reason x"),
        (is_failing, FAILING, "mark as job fail failed finish run message error"),
        (is_state_name, r"_*(?:plugin|lifecycle|plugin_lifecycle)_?state_?", "plugin lifecycle state x"),
        (is_loose_name, r"_*(?:\w+_)?state_?", "plugin state states"),
        (is_owner_name, r"_*(?:\w+_)?validators?|\w*Validator", "validator validators Validator my"),
        (is_validator_name, VALIDATOR, "validate input output the x"),
        (is_output_check, OUTPUT, "validate check the plugin output result"),
        (lambda name: role_of_name(name) is Role.PLUGIN, PLUGIN, "plugin instance obj impl 1 my"),
    ],
)
def test_names_are_what_their_pattern_says(test: Callable[[str], bool], pattern: str, words: str) -> None:
    """Every name of up to four of these words, with and without underscores between and around them."""
    for count in range(1, 5):
        for parts in itertools.product(words.split(), repeat=count):
            for joined in ("", "_", "__"):
                for name in (joined.join(parts), f"_{joined.join(parts)}", f"{joined.join(parts)}_"):
                    if name.isidentifier():
                        assert bool(test(name)) == (re.fullmatch(pattern, name) is not None), name
