"""Rules, fixtures and documentation pages keep step."""

from __future__ import annotations

from pathlib import Path

import pytest

from runward_scanner.rules import RULES

from .scanner_cases import CASES, all_cases

DOCS = Path(__file__).parents[2] / "docs" / "scanner"
CODES = [rule.code for rule in RULES]


def test_codes_are_unique_and_in_order() -> None:
    """No two rules share a code, and the tuple is in the order of the codes."""
    assert sorted(set(CODES)) == CODES


@pytest.mark.parametrize("rule", RULES, ids=CODES)
def test_rule_is_complete(rule: type) -> None:
    """A rule has a title, an explanation, a page that names both, and good and bad fixtures."""
    code = rule.code
    page = (DOCS / f"{code}.md").read_text(encoding="utf-8")
    assert rule.title
    assert rule.explanation.strip()
    assert page.startswith(f"# {code}: {rule.title}\n")
    assert "## Violations" in page
    assert "## Not violations" in page
    assert (CASES / f"{code.lower()}_bad.cases").exists()
    assert (CASES / f"{code.lower()}_good.cases").exists()


def test_every_page_and_fixture_has_a_rule() -> None:
    """No page and no fixture file is left of a rule that is gone."""
    assert {page.stem for page in DOCS.glob("RWD*.md")} == set(CODES)
    assert {file.stem.split("_")[0].upper() for file in CASES.glob("rwd*.cases")} == set(CODES)


def test_bad_fixtures_expect_their_rule() -> None:
    """Each bad case expects its file's rule, and no good case expects anything."""
    for name, case in all_cases():
        expected = {code for _, _, code in case.expected()}
        code, kind = name.split(":")[0].split("_")
        assert (code.upper() in expected) == (kind == "bad"), name
        assert kind == "bad" or not expected, name


def test_overview_lists_every_rule() -> None:
    """The overview names each rule with its title and links its page."""
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"[{rule.code}]({rule.code}.md)" in text
        assert rule.title in text
