"""Functions and classes of the standard library that are modelled one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from runward_scanner.inference import modelled_callables as callables
from runward_scanner.inference import modelled_elements as elements
from runward_scanner.inference import modelled_reflection as reflection
from runward_scanner.inference import modelled_texts as texts
from runward_scanner.inference.values import Thing, Value, one

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from runward_scanner.inference.arguments import Arguments
    from runward_scanner.inference.frame import Frame

    Model: TypeAlias = Callable[[Frame, str, Arguments, ast.AST], Value]

MODELS: dict[str, Model] = {
    "builtins.getattr": reflection.getattr_,
    "inspect.getattr_static": reflection.getattr_,
    "builtins.object.__getattribute__": reflection.getattr_,
    "builtins.type.__getattribute__": reflection.getattr_,
    "builtins.setattr": reflection.setattr_,
    "builtins.object.__setattr__": reflection.setattr_,
    "builtins.type.__setattr__": reflection.setattr_,
    "builtins.vars": reflection.vars_,
    "builtins.locals": reflection.locals_,
    "builtins.globals": reflection.globals_,
    "builtins.type": reflection.type_,
    "builtins.super": reflection.super_,
    "builtins.next": elements.next_,
    "builtins.anext": elements.next_,
    "builtins.sorted": elements.sorted_,
    "heapq.nlargest": elements.largest,
    "heapq.nsmallest": elements.largest,
    "builtins.min": elements.choose,
    "builtins.max": elements.choose,
    "random.choice": elements.choose,
    "statistics.mode": elements.choose,
    "heapq.heappush": elements.push,
    "heapq.heappop": elements.push,
    "heapq.heappushpop": elements.push,
    "heapq.heapreplace": elements.push,
    "bisect.insort": elements.push,
    "bisect.insort_left": elements.push,
    "bisect.insort_right": elements.push,
    "builtins.zip": elements.zip_,
    "itertools.zip_longest": elements.zip_,
    "itertools.product": elements.zip_,
    "builtins.enumerate": elements.zip_,
    "builtins.map": elements.map_,
    "builtins.filter": elements.map_,
    "itertools.filterfalse": elements.map_,
    "itertools.starmap": elements.map_,
    "functools.reduce": elements.map_,
    "builtins.str": texts.str_,
    "builtins.repr": texts.str_,
    "builtins.ascii": texts.str_,
    "builtins.format": texts.str_,
    "sys.intern": texts.str_,
    "builtins.chr": texts.chr_,
    "builtins.bytes": texts.bytes_,
    "functools.partial": callables.partial,
    "functools.partialmethod": callables.partial,
    "operator.methodcaller": callables.methodcaller,
    "operator.attrgetter": callables.attrgetter,
    "operator.itemgetter": callables.attrgetter,
    "operator.call": callables.operator_call,
    "operator.getitem": elements.getitem,
    "types.MethodType": callables.method_type,
    "sys.modules.get": reflection.loaded_module,
    "sys.modules.__getitem__": reflection.loaded_module,
    "sys.modules.pop": reflection.loaded_module,
    "pydoc.locate": reflection.located,
    "pkgutil.resolve_name": reflection.located,
    "os.environ.get": texts.setting,
    "os.getenv": texts.setting,
    "importlib.import_module": reflection.import_module,
    "importlib.__import__": reflection.import_module,
    "builtins.__import__": reflection.import_module,
    "importlib.reload": reflection.import_module,
    "importlib.metadata.entry_points": reflection.entry_points,
    "typing.cast": callables.cast,
    "typing_extensions.cast": callables.cast,
    "dataclasses.field": callables.field,
    "builtins.property": reflection.property_,
    "functools.cached_property": reflection.property_,
    "inspect.getmembers": reflection.members,
    "inspect.getmembers_static": reflection.members,
    "collections.defaultdict": elements.defaultdict,
    "sys.exception": callables.exception,
    "builtins.delattr": reflection.delattr_,
    "builtins.object.__new__": reflection.new,
    "base64.b64decode": texts.decoded,
    "codecs.decode": texts.decoded,
    "codecs.encode": texts.decoded,
    "builtins.reversed": texts.reversed_,
    "collections.namedtuple": elements.namedtuple,
    "dataclasses.make_dataclass": elements.namedtuple,
    "dataclasses.replace": elements.replaced,
    "copy.replace": elements.replaced,
    "dataclasses.asdict": elements.as_container,
    "dataclasses.astuple": elements.as_container,
    "itertools.groupby": elements.grouped,
    "itertools.tee": elements.tee,
    "functools.singledispatch.register": callables.register,
    "functools.singledispatch.registered": callables.registered,
    "asyncio.to_thread": callables.thread_call,
    "contextvars.ContextVar": elements.context_variable,
    "contextvars.copy_context": lambda frame, path, arguments, node: one(Thing(path, None, None)),
    "enum.Enum": callables.enum,
    "enum.StrEnum": callables.enum,
    "enum.IntEnum": callables.enum,
}
