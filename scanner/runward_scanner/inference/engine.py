"""The interpretation: reads bodies until nothing more is learnt, and tells the rules what happens in them."""

from __future__ import annotations

import heapq
import sys
from collections import deque

from runward_scanner.inference import (  # noqa: F401 - some only read nodes
    attributes,
    calls,
    dynamic,
    expressions,
    project_names,
    statements,
)
from runward_scanner.inference.attributes import put
from runward_scanner.inference.frame import TOO_DEEP, Frame
from runward_scanner.inference.heap import Heap
from runward_scanner.inference.known import Known
from runward_scanner.inference.model import Activation
from runward_scanner.inference.parameters import bind_parameters
from runward_scanner.inference.reporting import finding_at
from runward_scanner.inference.telling import Telling
from runward_scanner.inference.values import (
    INSTANCES,
    NOTHING,
    UNKNOWN,
    Container,
    Instance,
    Role,
    Value,
    one,
)
from runward_scanner.logging_calls import logged

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

    from runward_scanner.finding import Finding
    from runward_scanner.inference.model import ClassInfo, ModuleInfo
    from runward_scanner.project import Project
    from runward_scanner.rule import Rule

MOST_EVALUATIONS = 8
"""How often one activation is read; what it may be has settled long before, or is too wide to matter."""
PATIENCE, SPARE = 3, 200
"""Once this many readings a function, and so many more, were made, code is tangled: then each is read once more."""
DEEPEST_NESTING = 40
MAKERS = frozenset({"__init__", "__new__", "__post_init__"})
OWN_CLASSES = {"ToolRunner": Role.TOOL_RUNNER_CLASS}


class Engine(Known, Telling):
    """One interpretation of a project's governed modules."""

    call = staticmethod(calls.call)
    callbacks = staticmethod(calls.callbacks)
    hand_over = staticmethod(calls.hand_over)
    attribute = staticmethod(attributes.get)
    put = staticmethod(put)
    dynamic_attribute = staticmethod(dynamic.dynamic_attribute)
    dynamic_put = staticmethod(dynamic.dynamic_put)
    dynamic_import = staticmethod(dynamic.dynamic_import)
    named_modules = staticmethod(dynamic.named_modules)
    every_attribute = staticmethod(dynamic.every_attribute)
    exceptions_of = staticmethod(dynamic.exceptions_of)
    alias_of_generic = staticmethod(dynamic.alias_of_generic)
    module_attribute = project_names.module_attribute
    own_external = project_names.own_external

    def __init__(self, project: Project, rules: Iterable[Rule]) -> None:
        """Read nothing yet."""
        self.heap = Heap(self.enqueue)
        Known.__init__(self, self.heap)
        Telling.__init__(self, project.settings, rules)
        self.project = project
        self.settings = project.settings
        self.governed: list[ModuleInfo] = []
        self.modules: list[ModuleInfo] = []
        """Every module that was read, governed or not."""
        self.tool_runners: list[ClassInfo] = []
        self.calls = 0
        """How often something was worked out that hangs on more than cells: a function called, a ``run`` obtained."""
        self._logged: dict[ModuleInfo, set[ast.AST]] = {}
        self._activations: list[Activation] = []
        self._unread: deque[Activation] = deque()
        self._again: list[tuple[int, Activation]] = []
        """What is to be read again, a heap: what was read first comes first, which has the fewest read once more."""
        self._nesting = 0
        self._readings = 0
        self._frame: Frame | None = None

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, modules: list[ModuleInfo]) -> None:
        """Read these modules, and again what must be read again, until nothing is learnt."""
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 12000))
        try:
            self.governed = modules
            for module in modules:
                self.ensure_module(module)
            self._drain()
        finally:
            sys.setrecursionlimit(limit)

    def _drain(self) -> None:
        """Read what waits: first what was never read, for that may change what is read again."""
        unread, again = self._unread, self._again
        while unread or again:
            activation = unread.popleft() if unread else heapq.heappop(again)[1]
            if activation.queued:  # else a call read it meanwhile
                activation.queued = False
                self.evaluate(activation)

    def enqueue(self, activation: Activation) -> None:
        """Put an activation in the queue, unless it has been read often enough."""
        if activation.queued or activation.evaluations >= self._most_evaluations():
            return
        activation.queued = True
        if activation.evaluations:
            heapq.heappush(self._again, (activation.order, activation))
        elif activation.function is not None and activation.function.name in MAKERS:
            self._unread.appendleft(activation)  # what objects are made of comes before what uses them
        else:
            self._unread.append(activation)

    def _most_evaluations(self) -> int:
        """How often an activation may be read: less often once a scan has taken long."""
        tangled = self._readings > PATIENCE * len(self.functions) + SPARE
        return 2 if tangled else MOST_EVALUATIONS

    def ensure_module(self, module: ModuleInfo) -> None:
        """Read a module's top level once."""
        if module.top is None:
            self.modules.append(module)
            module.top = Activation(module, None)
            self.evaluate(module.top)

    def evaluate(self, activation: Activation) -> None:
        """Read an activation's body now; where that would nest too deep, later."""
        if activation.running or self._nesting > DEEPEST_NESTING:
            self.enqueue(activation)
            return
        if activation.evaluations == 0:
            activation.order = len(self._activations)
            self._activations.append(activation)
        activation.evaluations += 1
        self._readings += 1
        activation.queued = False
        activation.running = True
        self._nesting += 1
        try:
            self._read_body(activation)
        except RecursionError:
            function = activation.function
            node = function.node if function is not None else activation.module.tree.body[0]
            finding = finding_at(activation, node, "RWD000", TOO_DEEP, ())
            activation.findings = [finding] if finding is not None else []
        finally:
            self._nesting -= 1
            activation.running = False
            activation.part = activation.rest

    def _read_body(self, activation: Activation) -> None:
        frame = Frame(self, activation)
        function = activation.function
        activation.findings = []
        activation.rest.stale = False
        if function is None:
            activation.module.stars.clear()
            frame.execute(activation.module.tree.body)
            return
        bind_parameters(frame, function)
        frame.in_parts = True
        body = function.node.body
        if not isinstance(body, list):
            self.heap.write(activation, "return", frame.value(body), function.module, body)
            return
        frame.execute(body)
        if frame.yielded:
            generator = Container("generator", function.node, activation)
            self.heap.write(activation, "return", one(generator), function.module, function.node)

    def findings(self) -> list[Finding]:
        """What the rules found while reading."""
        return [finding for activation in self._activations for finding in activation.findings]

    def release(self) -> None:
        """Let go of all that was read; the findings stay good.

        What was read refers to itself all over, so that else the cyclic collector would have to walk it, which takes
        longer than freeing it.
        """
        for function in self.functions.values():
            function.release()
        for info in self.classes.values():
            info.release()
        for activation in self._activations:
            activation.release()
        for module in self.modules:
            module.stars.clear()
            module.top = None
        self.heap.release()
        vars(self).clear()

    # -- names of the project ------------------------------------------------------------------------------------------

    def is_plugin_base(self, info: ClassInfo) -> bool:
        """Whether a class that is named like the plugin base is that base: it stands with the SDK."""
        if not info.module.local:
            return ".plugin" in f".{info.module.name}" or not self.project.roots
        return "plugin" in info.module.local or "sdk" in info.module.local or info.module.local.count(".") == 0

    def is_tool_runner_code(self, frame: Frame) -> bool:
        """Whether the code being read stands within the one class ToolRunner, and in no class made there."""
        return bool(frame.inside) and self.is_tool_runner(frame.inside[0])

    def is_tool_runner(self, info: ClassInfo) -> bool:
        """Whether a class is the one ToolRunner: in its file where there is one, else the first of that name."""
        if info.name != self.settings.tool_runner_class or not info.module.governed or info.outer or info.in_function:
            return False
        if info not in self.tool_runners:
            self.tool_runners.append(info)
        files = self.settings.tool_runner_files
        placed = [item for item in self.tool_runners if item.module.file in files]
        return info is (placed or self.tool_runners)[0]

    def class_changed(self) -> None:
        """A class turned out to be something else than it was: forget what was worked out from it."""
        self.ask_again()
        self.dull.clear()
        self.state_slots.clear()
        self.forget_derived()

    def frame_of_module(self, module: ModuleInfo) -> Frame:
        """A frame in which a module's names can be looked up, the same for as long as the module is."""
        if module.top is None:
            return Frame(self, Activation(module, None))
        found = self.module_frames.get(module)
        if found is None:
            found = self.module_frames[module] = Frame(self, module.top)
        return found

    def frame_of(self, activation: Activation) -> Frame:
        """A frame in which an activation's names can be looked up before it is read; kept for who asks again."""
        found = self._frame
        if found is None or found.activation is not activation:
            found = self._frame = Frame(self, activation)
        return found

    def logged_nodes(self, module: ModuleInfo) -> set[ast.AST]:
        """Every node within a log call of a module."""
        found = self._logged.get(module)
        if found is None:
            found = self._logged[module] = logged(module)
        return found

    def made_by(self, role: Role) -> Value:
        """What an instance of a class with a role is."""
        made = INSTANCES.get(role)
        return one(made) if made is not None else UNKNOWN

    def classes_of(self, value: Value) -> Value:
        """The classes of what a value may be."""
        found = NOTHING
        for atom in value:
            if type(atom) is Instance:
                found |= atom.info.itself
            elif type(atom) is Role:
                found |= next((one(owner) for owner, made in INSTANCES.items() if made is atom), NOTHING)
        return found or UNKNOWN

    def missing(self, info: ClassInfo, name: str) -> Value:
        """What an attribute is that a class nowhere sets."""
        return UNKNOWN

    def frame_of_class(self, info: ClassInfo) -> Frame:
        """A frame in which a class's annotations can be read."""
        return self.class_frames[info]
