"""RWD007: no dynamic execution in governed code, the plugin loader excepted."""

from __future__ import annotations

import ast
from types import MappingProxyType

from runward_scanner.inference.proof import steps_to
from runward_scanner.inference.values import Class, External, Instance, Role, Value, is_open
from runward_scanner.patterns import ends_with, stands
from runward_scanner.rule import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame
    from runward_scanner.settings import Settings

EXECUTES = frozenset(
    {
        "_testcapi.run_in_subinterp", "builtins.compile", "builtins.eval", "builtins.exec", "cProfile.run",
        "cProfile.runctx", "code.InteractiveConsole", "code.InteractiveInterpreter", "code.interact",
        "codeop.compile_command", "ctypes.pythonapi.PyRun_SimpleString", "ctypes.pythonapi.PyRun_String",
        "doctest.testfile", "doctest.testmod", "imp.load_source", "importlib.machinery.ExtensionFileLoader",
        "importlib.machinery.SourceFileLoader", "importlib.machinery.SourcelessFileLoader",
        "importlib.util.module_from_spec", "importlib.util.spec_from_file_location",
        "importlib.util.spec_from_loader", "marshal.loads", "pdb.run", "pdb.runeval", "pkgutil.resolve_name",
        "profile.run", "profile.runctx", "runpy.run_module", "runpy.run_path", "sys.meta_path.append",
        "sys.meta_path.insert", "sys.path_hooks.append", "sys.path_hooks.insert", "timeit.repeat", "timeit.timeit",
        "types.CodeType", "types.FunctionType", "zipimport.zipimporter",
    }
)  # fmt: skip
EXECUTING: frozenset[External] = frozenset(map(External, EXECUTES))
HANDED: Value = frozenset(
    External(path)
    for path in (
        "builtins.exec", "builtins.eval", "importlib.import_module", "builtins.__import__", "importlib.__import__"
    )
)  # fmt: skip
LOADING = frozenset({"exec_module", "load_module"})


class NoDynamicExecution(Rule):
    """Governed code holds no exec, eval, computed import, or attribute of a plugin by a computed name."""

    code = "RWD007"
    title = "Dynamic execution in governed code"
    explanation = """
exec, eval, compile, a computed import, or a plugin's attribute by a computed name run code that no reading
sees. The plugin loader is the one exception.
"""

    calls_of = MappingProxyType({External: lambda settings, atom: atom in EXECUTING})
    calls_given = MappingProxyType({External: lambda settings, atom: atom in HANDED})

    calls_named = LOADING

    def stores_named(self, settings: Settings) -> Collection[str]:
        """Any name."""
        return ("*",)

    def on_call(self, frame: Frame, node: ast.Call, callee: Value, arguments: Arguments) -> None:
        """Report calls that execute code which no reading sees, and such functions handed on."""
        if not EXECUTING.isdisjoint(callee) and not _is_loader(frame):
            atom = min(EXECUTING & callee)
            what = f"{_short(atom)}() executes code that cannot be checked"
            frame.report(self.code, node, what, steps_to(frame, node.func))
            return
        if type(node.func) is ast.Attribute and node.func.attr in LOADING and not _is_loader(frame):
            receiver = frame.engine.receivers.get(node.func, frozenset())
            if is_open(receiver) or any(type(atom).__name__ in {"Thing", "Method"} for atom in receiver):
                frame.report(self.code, node, f"{node.func.attr}() executes a module that cannot be checked")
                return
        if HANDED.isdisjoint(arguments.every()):
            return
        for value in (*arguments.positional, *arguments.keywords.values()):
            if not HANDED.isdisjoint(value) and not _is_loader(frame):
                frame.report(self.code, node, "A function that executes code which cannot be checked is handed on")
                return

    def on_store(self, frame: Frame, node: ast.AST, receiver: Value | None, name: str, value: Value) -> None:
        """Report an attribute of a plugin that is written under a computed name."""
        if name == "*" and receiver is not None and not _is_loader(frame) and any(map(_is_plugin, receiver)):
            frame.report(self.code, node, "An attribute of a plugin is written under a computed name")

    def on_import(self, frame: Frame, node: ast.AST, target: Value) -> None:
        """Report an import whose module is not written out."""
        if not target and not _is_loader(frame):
            frame.report(self.code, node, "A module is imported by a computed name")

    def on_dynamic(self, frame: Frame, node: ast.AST, receiver: Value, name: Value) -> None:
        """Report an attribute of a plugin by a computed name."""
        if not _is_loader(frame) and any(_is_plugin(atom) for atom in receiver):
            frame.report(self.code, node, "An attribute of a plugin is taken by a computed name")


def _short(atom: object) -> str:
    return atom.path.removeprefix("builtins.") if type(atom) is External else ""


def _is_loader(frame: Frame) -> bool:
    name = frame.module.local or frame.module.name
    loader = frame.engine.settings.loader
    return ends_with(loader, name) and stands(loader, name) and "execution" not in name.split(".")[:-1]


def _is_plugin(atom: object) -> bool:
    if type(atom) is Instance or type(atom) is Class:
        return "plugin" in atom.info.traits
    return atom in {Role.PLUGIN, Role.PLUGIN_CLASS}
