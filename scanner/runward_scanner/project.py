"""The files of one scan as modules, and how a name in an import finds its module."""

from __future__ import annotations

import ast
import os
import sys

from runward_scanner.inference.model import Found, ModuleInfo
from runward_scanner.layout import is_foreign, is_foreign_below, lies_in
from runward_scanner.patterns import Pattern, matches
from runward_scanner.source import Source, UnreadableError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runward_scanner.settings import Settings

IMPORTING = frozenset({"__import__", "find_spec", "import_module", "run_module"})
CODING = Pattern(rb"(?m)^[ \t\f]*#[^\n]*coding[:=]")


class Project:
    """All files given to the scan. Files are parsed when something asks for them."""

    def __init__(self, settings: Settings, scanned: str, sources: Mapping[str, Source], roots: Iterable[str]) -> None:
        """Take the files by resolved path; ``scanned`` is the folder (or the file's folder) that was given."""
        self.settings = settings
        self.scanned = scanned
        self.sources = sources
        self.roots = tuple(roots)
        self.is_last = False
        """Whether the process ends after this scan, so that nothing that was read need be let go of."""
        self.unreadable: dict[str, UnreadableError] = {}
        self.reached: set[str] = set()
        """The files, as shown, that names were resolved to since this was last emptied."""
        self._modules: dict[str, ModuleInfo | None] = {}
        self._shown: dict[str, ModuleInfo | None] = {}
        self._names: dict[str, str] = {}
        self._packages: dict[str, bool] = {}
        self._neighbours: dict[tuple[str, str | None], dict[str, Found | None]] = {}
        self._foreign: dict[str, bool] = {}
        self._of_python: dict[str, bool] = {}
        self._root_known: dict[str, str | None] = {}
        self._tops_known: dict[str, frozenset[str]] = {}
        self.root_names = {_name(root): root for root in self.roots}
        self._own_tops = frozenset({settings.sdk_package, *self.root_names})
        self._entries: dict[str, set[str]] | None = None
        self._index_roots()

    def _index_roots(self) -> None:
        """Name the modules of the governed roots, by the root's own name and by the SDK's."""
        inside = [(root, f"{root}{os.sep}") for root in self.roots]
        for path in self.sources:
            for root, start in inside:
                if path.startswith(start) or path == root:
                    local = _dotted(path, root)
                    for top in (_name(root), self.settings.sdk_package):
                        self._names.setdefault(f"{top}.{local}" if local else top, path)

    def root_of(self, path: str) -> str | None:
        """The governed root that a file lies in, if any; foreign folders below a root are no part of it."""
        try:
            return self._root_known[path]
        except KeyError:
            found = self._root_known[path] = self._find_root(path)
            return found

    def _find_root(self, path: str) -> str | None:
        for root in self.roots:
            if lies_in(path, root):
                return None if is_foreign_below(path, root) else root
        return None

    def governed(self) -> list[ModuleInfo]:
        """Parse and give every governed module, in order; those that cannot be parsed land in ``unreadable``."""
        found = []
        for path in self.sources:
            if self.may_govern(path):
                module = self.module(path)
                if module is not None and module.governed:
                    found.append(module)
        return found

    def may_govern(self, path: str) -> bool:
        """Whether a file may be governed: it lies in a root, or its text could import the SDK."""
        return self.root_of(path) is not None or self._mentions_sdk(self.sources[path])

    def module(self, path: str) -> ModuleInfo | None:
        """Parse a file once. None where it cannot be parsed."""
        if path in self._modules:
            return self._modules[path]
        source = self.sources[path]
        try:
            tree = source.parse()
        except UnreadableError as error:
            self._modules[path] = None
            self.unreadable[path] = error
            return None
        root = self.root_of(path)
        local = _dotted(path, root) if root else ""
        name = f"{_name(root)}.{local}".rstrip(".") if root else self._package_name(path)
        governed = root is not None or self._imports_sdk(tree)
        folder, stem = _split(path)
        neighbours = self._neighbours.setdefault((folder, root if local else None), {})
        module = ModuleInfo(
            path,
            name,
            local,
            root=root,
            is_package=stem == "__init__",
            governed=governed,
            in_api=bool(local) and matches(self.settings.api, local),
            source=source,
            tree=tree,
            neighbours=neighbours,
        )
        self._modules[path] = module
        return module

    def release(self) -> None:
        """Let go of every tree, before the cyclic collector comes to walk them."""
        if self.is_last:
            return
        self._modules.clear()
        self._shown.clear()

    @property
    def parsed(self) -> set[str]:
        """The files that were asked for."""
        return set(self._modules)

    def _mentions_sdk(self, source: Source) -> bool:
        """Whether the text could import the SDK; cheap, for it is asked of every file."""
        for top in self._tops:
            if top in source.data:
                return True
        head = source.data[:400]
        if CODING.search(head) and b"utf-8" not in head:
            try:
                text = decode(source.data)
            except UnreadableError:
                return False
            return any(top.decode() in text for top in self._tops)
        return False

    @property
    def _tops(self) -> set[bytes]:
        return {self.settings.sdk_package.encode()}

    def _imports_sdk(self, tree: ast.Module) -> bool:
        """Whether a file imports the package that the SDK lies in, at any depth."""
        tops = {
            self.settings.sdk_package,
            *(_name(root) for root in self.roots if os.path.join(root, "__init__.py") in self.sources),
        }
        named = tuple(f"{top}.plugins" for top in tops)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                if any(alias.name.partition(".")[0] in tops for alias in node.names):
                    return True
            elif isinstance(node, ast.ImportFrom):
                if node.level == 0 and node.module and node.module.partition(".")[0] in tops:
                    return True
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(named):
                return True
            elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                # an import by a call
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in IMPORTING and str(node.args[0].value).partition(".")[0] in tops:
                    return True
        return False

    def _package_name(self, path: str) -> str:
        """The dotted name of a file by the packages around it."""
        folder = os.path.dirname(path)
        while folder in self._packages or os.path.join(folder, "__init__.py") in self.sources:
            self._packages[folder] = True
            folder = os.path.dirname(folder)
        return _dotted(path, folder) or _name(os.path.dirname(path))

    def resolve(self, name: str, importer: ModuleInfo) -> ModuleInfo | None:
        """The module that an absolute import names, seen from a file; None where it is not among the files."""
        known = importer.neighbours
        if name not in known:
            path = self._resolve(name, importer)
            known[name] = Found(self.sources[path].shown, path) if path is not None else None
        found = known[name]
        if found is None:
            return None
        shown, path = found
        self.reached.add(shown)
        if shown not in self._shown:
            self._shown[shown] = self.module(path)
        return self._shown[shown]

    def _resolve(self, name: str, importer: ModuleInfo) -> str | None:
        path = self._names.get(name)
        if path is None:
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names:
                return None
            root = self.root_names.get(top) if importer.local else None
            if root is not None and (root is importer.root or root == importer.root):
                return None  # the importer's own package, whose modules are all known by name
            # A module below a package that is not among the files is not among them either.
            path = self._beside(name, importer) if top in self._tops_above(importer.folder) else None
        if path is None:
            return None
        if self._is_elsewhere(path) and importer.folder != _split(path)[0]:
            return None
        return path

    def _is_elsewhere(self, path: str) -> bool:
        """Whether a file is another's and lies in no governed root."""
        known = self._foreign.get(path)
        if known is None:
            known = self._foreign[path] = is_foreign(path, self.scanned) and self.root_of(path) is None
        return known

    def _tops_above(self, folder: str) -> frozenset[str]:
        """The names of files and folders with files that lie in a folder or in one above it."""
        if self._entries is None:
            self._entries = {}
            for path in self.sources:
                around, stem = _split(path)
                while stem not in self._entries.setdefault(around, set()):
                    self._entries[around].add(stem)
                    around, stem = _split(around)
        known = self._tops_known.get(folder)
        if known is None:
            above = self._tops_above(_split(folder)[0]) if folder else frozenset()
            known = self._tops_known[folder] = above | self._entries.get(folder, frozenset())
        return known

    def _beside(self, name: str, importer: ModuleInfo) -> str | None:
        """Look for a module from the file's folder upwards, as if each folder were on the import path."""
        relative = name.replace(".", os.sep)
        folder = os.path.dirname(importer.path)
        while True:
            if os.path.join(folder, "__init__.py") not in self.sources or folder == self.scanned:
                for file in (f"{relative}.py", os.path.join(relative, "__init__.py")):
                    candidate = os.path.join(folder, file)
                    if candidate in self.sources:
                        return candidate
            above = os.path.dirname(folder)
            if folder in (self.scanned, above):
                return None
            folder = above

    def is_of_python(self, name: str) -> bool:
        """Whether a full name is the standard library's, whatever files lie about."""
        known = self._of_python.get(name)
        if known is None:
            top = name.partition(".")[0]
            known = self._of_python[name] = top == "__main__" or (
                top in sys.stdlib_module_names and top not in self._own_tops
            )
        return known

    def is_own_name(self, name: str) -> bool:
        """Whether a full name belongs to the governed packages, though perhaps not to a file given."""
        return name.partition(".")[0] in self._own_tops


def _split(path: str) -> tuple[str, str]:
    """The folder that a file or a folder lies in, and its own name without what follows the last dot."""
    folder, _, name = path.rpartition(os.sep)
    dot = name.rfind(".")
    return folder, name[:dot] if 0 < dot < len(name) - 1 else name


def _name(folder: str) -> str:
    return folder.rpartition(os.sep)[2]


def _dotted(path: str, root: str) -> str:
    """The dotted name of a file below a folder; empty for the folder's own ``__init__``."""
    folder = path[len(root) :].strip(os.sep).rpartition(os.sep)[0].replace(os.sep, ".")
    stem = _split(path)[1]
    if stem == "__init__":
        return folder
    return f"{folder}.{stem}" if folder else stem
