"""What a plugin's answers follow from beside its input: its code, its models, its libraries, the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runward_service.domain.digests import json_digest
from runward_service.runtime.loaded_code import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "runward.code/1"
OWN_PACKAGE = "runward_service"
OWN_DISTRIBUTION = "runward"
ENTRY_POINT_GROUP = "runward.plugins"
THREADS_VARIABLE = "OMP_NUM_THREADS"
COMPILED = (".pyc", ".pyo")
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^]]*)\])?[^;]*(?:;(.*))?", re.DOTALL)
EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
SEPARATORS = re.compile(r"[-_.]+")


class ModelMissing(Exception):  # noqa: N818 - the word that operators read
    """A plugin declares a model file that is not there; the message names it."""


@dataclass(frozen=True, slots=True)
class PluginCode:
    """A loaded plugin class's module and what its class declares: its version, the files of its models, and the
    distributions that its setup needs.
    """

    target: str
    module: str
    version: str
    model_files: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """All that the code digest covers, as docs/receipts.md describes it; empty for a module without a file.

        Raises ModelMissing, or OSError where a file cannot be read.
        """
        spec = getattr(sys.modules.get(self.module), "__spec__", None)
        if spec is None or not spec.has_location or not Path(spec.origin).is_file():
            return {}
        file = Path(spec.origin)
        dist = distribution_of(self.target, self.module, file)
        required = [*self.requires, *(requirements_of(dist, frozenset()) if dist else ())]
        return {
            "schema": SCHEMA,
            "target": self.target,
            "version": self.version,
            "distribution": {"name": dist.name, "version": dist.version} if dist else {},
            "files": code_files(self.module, file, dist),
            "models": model_digests(file.parent, self.model_files),
            "dependencies": installed_versions(required),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "cpu": cpu_kind(),
            "threads": thread_count(),
        }

    def digest(self) -> str:
        """The code digest, "sha256:<hex>"; empty where there is no document. Raises as document does."""
        document = self.document()
        return json_digest(document) if document else ""


def distribution_of(target: str, module: str, file: Path) -> Distribution | None:
    """The distribution that a plugin's module came with; None for a module that none brought."""
    top = module.partition(".")[0]
    if top == OWN_PACKAGE:
        return distribution(OWN_DISTRIBUTION)
    site = file.parents[module.count(".") + (file.name == "__init__.py")]
    path = file.relative_to(site).as_posix()
    if any(site.glob("*.dist-info")):
        for found in Distribution.discover(path=[str(site)]):
            if f"\n{path}," in f"\n{found.read_text('RECORD')}":
                return found
    # An editable installation records no files: its entry point tells.
    named = [point.dist for point in entry_points(group=ENTRY_POINT_GROUP) if point.value == target]
    return named[0] if named else None


def code_files(module: str, file: Path, dist: Distribution | None) -> dict[str, str]:
    """The digests of the files of a plugin's distribution and of its top-level package, by their paths relative to the
    folder that holds them: without compiled code, and without what the installation wrote about itself.
    """
    folder = file.parent
    found = {}
    if "." in module or file.name == "__init__.py":
        top = file.parents[module.count(".") - (file.name != "__init__.py")]
        site = top.parent
        found = {path: site / path for path in package_files(top)}
    else:
        site = folder
        found[file.name] = file
    for entry in (dist.files if dist else None) or ():
        if is_code(entry):
            found[entry.as_posix()] = Path(str(entry.locate()))
    return {path: file_digest(found[path]) if found[path].is_file() else "" for path in sorted(found)}


def package_files(top: Path) -> Iterable[str]:
    """The paths of a package's files, beginning with its own name."""
    for parent, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if not name.endswith(COMPILED):
                yield Path(parent, name).relative_to(top.parent).as_posix()


def is_code(entry: PackagePath) -> bool:
    """Whether a recorded file is the distribution's own, rather than compiled, outside, or about the installation."""
    first = entry.parts[0]
    return first != ".." and not first.endswith((".dist-info", ".pth")) and not entry.name.endswith(COMPILED)


def model_digests(folder: Path, model_files: Iterable[str]) -> dict[str, str]:
    """The digests of model files, by their paths as declared; relative ones lie beside the plugin's module.

    Raises ModelMissing, or OSError where one cannot be read.
    """
    found = {}
    for declared in sorted(model_files):
        path = folder / declared
        if not path.is_file():
            raise ModelMissing(f"the model file {declared} is not there")
        with path.open("rb") as file:
            found[declared] = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return found


def requirements_of(dist: Distribution, extras: frozenset[str]) -> list[str]:
    """The requirements of a distribution, with those of some of its extras. Which other conditions hold is not looked
    at: what is not installed is not counted.
    """
    wanted = []
    for requirement in dist.requires or ():
        match = REQUIREMENT.match(requirement)
        conditions = set(EXTRA.findall(match[3] or "")) if match else set()
        if match and (not conditions or conditions & extras):
            wanted.append(requirement)
    return wanted


def installed_versions(requirements: Iterable[str]) -> dict[str, str]:
    """The versions of the installed distributions that some requirements name, and of all that those depend on."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        match = REQUIREMENT.match(waiting.pop())
        if match is None:
            continue
        name = SEPARATORS.sub("-", match[1]).lower()
        extras = frozenset(extra.strip() for extra in (match[2] or "").split(",") if extra.strip())
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            dist = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = dist.version
        waiting += requirements_of(dist, extras)
    return dict(sorted(found.items()))


def cpu_kind() -> dict[str, str]:
    """What results in floating point may depend on: the architecture, the processor's model, its instruction sets."""
    fields = cpu_fields()
    model = fields.get("model name") or " ".join(
        fields[name] for name in ("CPU implementer", "CPU architecture", "CPU part") if name in fields
    )
    features = " ".join(sorted(set((fields.get("flags") or fields.get("Features") or "").split())))
    return {
        "machine": platform.machine(),
        "model": model,
        "features": f"sha256:{hashlib.sha256(features.encode()).hexdigest()}",
    }


def cpu_fields() -> Mapping[str, str]:
    """What the kernel says of the first processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def thread_count() -> int:
    """How many threads numerical libraries use here: as the environment says, else a thread a processor."""
    told = os.environ.get(THREADS_VARIABLE, "")
    return int(told) if told.isdecimal() else len(os.sched_getaffinity(0))
