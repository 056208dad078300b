"""What surrounds a run is the same for every run of the same image."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runward_service.domain.plugin_state import PluginState
from tests.harness.service import PNG, analyze, ready, result_of, running_service

if TYPE_CHECKING:
    from runward_service.service import Service

PLUGINS = ("unsteady:Surroundings", "unsteady:Wavering")
pytestmark = pytest.mark.asyncio(loop_scope="module")
OTHER = PNG + b"another"


async def around(service: Service, plugin: str = "surroundings", image: bytes = PNG, **options: Any) -> dict[str, Any]:
    """What a run finds around it."""
    return result_of(await analyze(service, plugin, options, image=image))


async def test_a_run_starts_in_an_empty_folder_whatever_the_one_before_left(service: Service, tmp_path: Path) -> None:
    """What a run writes, and where it goes, the next run of the same worker does not see; nothing beyond a link that
    it leaves is touched.
    """
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    first = await around(service, write=str(outside))
    second = await around(service, leave=str(tmp_path))
    third = await around(service)
    assert first["files"] == second["files"] == third["files"] == []
    assert first["folder"] == second["folder"] == third["folder"] == third["temporary"] != third["start"]
    assert first["pid"] == third["pid"]
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert first["kept"] is third["kept"] is True


async def test_a_run_may_leave_folders_of_any_depth(service: Service) -> None:
    """A tree whose paths are too long to name, and deeper than calls may be, is gone when the next run begins."""
    first = await around(service, depth=3_000)
    second = await around(service)
    assert (first["pid"], first["files"]) == (second["pid"], second["files"])
    assert second["files"] == []


async def test_a_run_that_removes_its_folder_costs_its_worker(service: Service) -> None:
    """The next run gets a folder all the same."""
    before = await around(service, remove=True)
    after = await around(service)
    assert after["files"] == []
    assert (before["pid"] != after["pid"], before["folder"] != after["folder"]) == (True, True)


async def test_generators_are_seeded_by_the_image(service: Service) -> None:
    """The same image has the same numbers again, another one others; in NumPy too, once it is loaded."""
    await around(service, numpy=True)
    first = await around(service, numpy=True)
    other = await around(service, image=OTHER, numpy=True)
    again = await around(service, numpy=True)
    assert (first["random"], first["numpy"]) == (again["random"], again["numpy"])
    assert (first["random"] != other["random"], first["numpy"] != other["numpy"]) == (True, True)


async def test_a_plugin_that_is_not_repeatable_is_not_seeded(service: Service) -> None:
    """It says so, and draws other numbers each time; its folder is clean all the same."""
    first, second = await around(service, "wavering", write="/nowhere"), await around(service, "wavering")
    assert first["random"] != second["random"]
    assert second["files"] == []


async def test_workers_hash_alike(service: Service) -> None:
    """The order of a set of texts is that of every other worker's."""
    first, other = await around(service), await around(service, "wavering")
    assert first["pid"] != other["pid"]
    assert (first["hash"], first["set"]) == (other["hash"], other["set"])


async def test_a_worker_has_no_descriptor_but_its_own(service: Service) -> None:
    """No file or socket of the service is open in it, and what it starts inherits none of its own."""
    found = await around(service)
    assert {name for name in found["descriptors"] if name.startswith("/") and "/proc/" not in name} <= {
        "/dev/null",
        found["folder"],
    }
    assert found["descriptors"].count("socket") == 1
    assert found["inheritable"] == []


async def test_workers_get_few_variables_and_fixed_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the service's environment stays there, unless an operator names it."""
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("MODEL_PATH", "/models")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    async with running_service(tmp_path, PLUGINS[0], worker_variables=("MODEL_PATH", "OMP_NUM_THREADS")) as service:
        variables = (await around(service))["variables"]
    assert "hunter2" not in variables.values()
    assert variables["MODEL_PATH"] == "/models"
    assert (variables["TZ"], variables["LC_ALL"], variables["PYTHONHASHSEED"]) == ("UTC", "C.UTF-8", "0")
    assert (variables["DO_NOT_TRACK"], variables["ORT_DISABLE_TELEMETRY"]) == ("1", "1")
    assert (variables["OMP_NUM_THREADS"], variables["OPENBLAS_NUM_THREADS"]) == ("3", "1")
    assert variables.keys() - os.environ.keys() <= {
        *("DO_NOT_TRACK", "ORT_DISABLE_TELEMETRY"),
        *("LANG", "LC_ALL", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "TMPDIR", "RUNWARD_WORKER", "LC_CTYPE"),
        *(name for name in variables if name.endswith("_NUM_THREADS")),
    }


async def test_workers_leave_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker wrote is removed with it, also where its keeper was killed or its folders were closed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with running_service(tmp_path / "data", PLUGINS[0], "Hostile") as service:
        folder = (await around(service, write=str(tmp_path)))["folder"]
        await around(service, depth=3_000, spoil=True)
        assert Path(folder).parent.parent == tmp_path
        pid_file = tmp_path / "pid"
        job = await analyze(service, "hostile", {"how": "kill_keeper", "pid_file": str(pid_file)})
        assert job.error is not None
        await ready(service, "hostile")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("runward-")] == []


async def test_a_plugin_that_is_cacheable_is_repeatable(tmp_path: Path) -> None:
    """One that says otherwise cannot be loaded."""
    async with running_service(tmp_path, "unsteady:Undecided") as service:
        (entry,) = await service.registry.all_described()
        assert entry.state is PluginState.UNAVAILABLE
        assert "must be deterministic" in entry.state_reason
