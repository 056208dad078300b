"""SARIF logs fit version 2.1.0."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest

from runward_scanner.rules import RULES

from .published_schema import logs
from .sarif_form import LOG

VALIDATOR = jsonschema_rs.validator_for(LOG, validate_formats=True)


@pytest.fixture(scope="module")
def written() -> dict[str, dict[str, Any]]:
    """The logs of some fixture cases that have findings, by name; published_schema goes through all."""
    return dict(logs("bad", 7))


def test_every_log_fits(written: dict[str, dict[str, Any]]) -> None:
    """Logs of findings by every rule have the form of the standard."""
    assert [(name, error.message) for name, log in written.items() for error in VALIDATOR.iter_errors(log)] == []
    results = [result for log in written.values() for result in log["runs"][0]["results"]]
    assert {result["ruleId"] for result in results} == {rule.code for rule in RULES}
    assert any("codeFlows" in result for result in results)


def test_results_name_their_rules(written: dict[str, dict[str, Any]]) -> None:
    """A result's index leads to the rule that it names, and a code flow ends at the result's own place."""
    for log in written.values():
        (run,) = log["runs"]
        for result in run["results"]:
            assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
            for flow in result.get("codeFlows", ()):
                last = flow["threadFlows"][0]["locations"][-1]["location"]
                assert last["physicalLocation"] == result["locations"][0]["physicalLocation"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda log: log.update(version="2.0.0"),
        lambda log: log.pop("runs"),
        lambda log: log["runs"][0].pop("tool"),
        lambda log: log["runs"][0]["results"][0].pop("message"),
        lambda log: log["runs"][0]["results"][0].update(severity="error"),
        lambda log: log["runs"][0]["results"][0].update(level="fatal"),
        lambda log: log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
        lambda log: log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(
            uri="a b"
        ),
    ],
)
def test_the_form_tells_wrong_logs(written: dict[str, dict[str, Any]], damage: Any) -> None:
    """The check itself finds what breaks the standard."""
    log = copy.deepcopy(next(log for log in written.values() if log["runs"][0]["results"]))
    damage(log)
    assert not VALIDATOR.is_valid(log)
