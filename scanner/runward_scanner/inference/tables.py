"""Functions and classes of elsewhere, by what they do with values; single ones are modelled in externals."""

from __future__ import annotations

TRANSPARENT = frozenset(
    {
        "abc.abstractmethod", "asyncio.create_task", "asyncio.ensure_future", "asyncio.run",
        "asyncio.run_coroutine_threadsafe", "asyncio.shield", "asyncio.wait_for", "asyncio.wrap_future",
        "atexit.register", "builtins.aiter", "builtins.classmethod", "builtins.iter", "builtins.staticmethod",
        "contextlib.aclosing", "contextlib.asynccontextmanager", "contextlib.closing", "contextlib.contextmanager",
        "contextlib.nullcontext", "copy.copy", "copy.deepcopy", "dataclasses.dataclass", "enum.unique",
        "functools.cache", "functools.lru_cache", "functools.singledispatch", "functools.singledispatchmethod",
        "functools.total_ordering", "functools.update_wrapper", "functools.wraps", "inspect.unwrap",
        "itertools.compress", "itertools.cycle", "itertools.dropwhile", "itertools.islice", "itertools.takewhile",
        "pickle.dumps", "pickle.loads", "types.MappingProxyType", "types.coroutine",
        "typing.assert_type", "typing.final", "typing.overload", "typing.override", "typing.reveal_type",
        "typing.runtime_checkable", "typing_extensions.override", "weakref.proxy",
    }
)  # fmt: skip
"""They give back (something that behaves as) their first argument."""

COLLECTING = frozenset(
    {
        "asyncio.as_completed", "asyncio.gather", "asyncio.wait", "builtins.frozenset", "builtins.list",
        "builtins.set", "builtins.tuple", "collections.UserList", "collections.deque",
        "concurrent.futures.as_completed", "concurrent.futures.wait", "itertools.chain",
        "itertools.chain.from_iterable",
    }
)  # fmt: skip
"""They give the elements of their arguments."""

MAPPING = frozenset(
    {
        "builtins.dict", "collections.ChainMap", "collections.Counter", "collections.OrderedDict",
        "collections.UserDict",
    }
)  # fmt: skip

OPAQUE_BUILTINS = frozenset(
    {
        "abs", "all", "any", "bin", "bool", "bytearray", "callable", "complex", "dir", "divmod", "float", "hasattr",
        "hash", "hex", "id", "input", "int", "isinstance", "issubclass", "len", "memoryview", "oct", "ord", "pow",
        "print", "range", "round", "slice", "sum",
    }
)  # fmt: skip

TRACEBACKS = frozenset(
    {
        "cgitb.html", "cgitb.text", "inspect.getinnerframes", "inspect.trace",
        "rich.traceback.Traceback.from_exception", "sys.exc_info", "traceback.StackSummary.extract",
        "traceback.TracebackException", "traceback.TracebackException.from_exception", "traceback.extract_stack",
        "traceback.extract_tb", "traceback.format_exc", "traceback.format_exception",
        "traceback.format_exception_only", "traceback.format_list", "traceback.format_stack", "traceback.format_tb",
        "traceback.walk_tb",
    }
)  # fmt: skip

INTERNAL_NAMES = frozenset(
    {
        "_internal", "traceback", "internal_traceback", "internal", "_traceback", "__traceback__", "tb", "stack_trace",
        "stacktrace",
    }
)  # fmt: skip
"""What an envelope's internal part, and what is in it, is called."""

ANY_EXCEPTION = frozenset({"builtins.Exception", "builtins.BaseException"})

HOLDING = (
    "asyncio.", "collections.", "contextlib.", "contextvars.", "queue.", "threading.local", "types.SimpleNamespace",
    "typing.TypeVar", "weakref.",
)  # fmt: skip
"""Classes of elsewhere whose objects are remembered though nothing of interest was put in yet."""

ENTRY_POINTS = "importlib.metadata.entry_points"
