"""The documents say what is there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runward
from runward_service.commands.admin import admin
from runward_service.config import Config
from runward_service.domain.job import JobStatus
from runward_service.domain.plugin_state import PluginState
from runward_service.domain.retention_policy import DAY_US
from tests.acceptance.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GOVERNANCE = (ROOT / "docs" / "execution-governance.md").read_text()
README = (ROOT / "README.md").read_text()
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def documents() -> Iterator[Path]:
    """The documents that link to files."""
    yield from [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    yield from (ROOT / "docs").rglob("*.md")


def test_every_location_in_the_governance_document_exists() -> None:
    """Section 10 of the governance document names files and folders that exist."""
    locations = re.findall(r"`([^`]+)`", GOVERNANCE.split("## 10.")[1])
    assert len(locations) > 20
    assert [location for location in locations if not (ROOT / location).exists()] == []


def test_the_classes_of_the_chain_are_where_the_governance_document_says() -> None:
    """Each component of the chain is defined in the file that section 10 gives it."""
    for name in (
        "AnalysisExecutionService",
        "JobExecutionService",
        "PluginExecutionService",
        "ToolRunner",
    ):
        row = re.search(rf"^\| {name} \| `([^`]+)`", GOVERNANCE, re.MULTILINE)
        assert row is not None
        assert f"class {name}" in (ROOT / row[1]).read_text()


def test_the_governance_document_lists_the_states_and_statuses() -> None:
    """Sections 3 and 4 name the plugin states and job statuses of the code, and no others."""
    states = GOVERNANCE.split("## 3.")[1].split("```")[1]
    assert [line.split()[0] for line in states.strip().splitlines()] == [state.value for state in PluginState]
    statuses = GOVERNANCE.split("## 4.")[1].split("```")[1]
    assert re.findall(r"[A-Z]+", statuses) == [status.name for status in JobStatus]


@pytest.mark.parametrize("document", list(documents()), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document leads to a file or folder that exists."""
    links = LINK.findall(CODE.sub("", document.read_text()))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_path_of_the_flow_exists() -> None:
    """The files that docs/flow.md names beside each step exist in the service."""
    text = (ROOT / "docs" / "flow.md").read_text()
    paths = re.findall(r"[a-z_]+/[a-z_]+\.py", text)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / "service" / "runward_service" / path).exists()] == []


async def test_the_plugin_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """README's plugin, copied into a file, is served by name and analyses a picture with README's client calls."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "class Brightness" in block)
    (tmp_path / "my_module.py").write_text(code)
    picture = ROOT / "tests" / "docs" / "grey.png"
    monkeypatch.chdir(tmp_path)
    async with (
        ServerProcess(tmp_path / "data", plugins=("my_module:Brightness",)) as server,
        runward.connect(server.address) as rw,
    ):
        job = await rw.analyze("brightness", picture)
        assert job.result == {"mean": 128}
        job = await rw.submit("brightness", picture)
        assert [update.status async for update in rw.watch(job.id)][-1] == "SUCCESS"
        assert await rw.result(job.id) == {"mean": 128}


async def test_make_help_names_every_command_of_the_readme() -> None:
    """The make targets that README names exist."""
    process = await asyncio.create_subprocess_exec("make", "-C", str(ROOT), "help", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    targets = {line.split()[0] for line in output.decode().splitlines() if line and not line.startswith("make")}
    named = set(re.findall(r"make ([a-z]+)", README)) | {"setup", "check", "gen", "bench", "serve"}
    assert named <= targets


def test_every_admin_command_is_documented_with_its_options() -> None:
    """docs/cli.md has a section for each command of `runward admin`, which explains each of its options."""
    sections = (ROOT / "docs" / "cli.md").read_text().split("\n### `")
    assert len(admin.commands) >= 4
    for name, command in admin.commands.items():
        (section,) = [text for text in sections if text.startswith(f"runward admin {name}")]
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        for option in options - {"--data-dir", "--json"}:
            assert f"`{option}`" in section, (name, option)


def test_every_option_of_serve_about_retention_is_documented() -> None:
    """The settings of retention stand in docs/cli.md with their defaults."""
    section = (ROOT / "docs" / "cli.md").read_text().split("### `runward serve`")[1].split("\n### ")[0]
    for name in ("--retain-for", "--retain-jobs", "--max-retention"):
        assert f"| `{name}` " in section
    defaults = Config()
    assert f"`{defaults.retention.retain_for_us // DAY_US}d`" in section
    assert f"{defaults.retention.retain_jobs:,}" in section
