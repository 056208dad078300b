"""What an interpretation has found out so far, and need not work out again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from runward_scanner.inference.frame import Frame
    from runward_scanner.inference.heap import Cell, Derived, Heap
    from runward_scanner.inference.model import ClassInfo, FunctionInfo, ModuleInfo
    from runward_scanner.inference.values import Atom, Function, Value
    from runward_scanner.settings import Layer


class Scopes(dict["ModuleInfo", tuple[dict[str, "Cell"], dict[tuple["Value", str], "Derived"]]]):
    """The globals of modules, and what attributes were found to be in them, by receiver and name."""

    def __init__(self, heap: Heap) -> None:
        """Take where the globals lie."""
        super().__init__()
        self._heap = heap

    def __missing__(self, module: ModuleInfo) -> tuple[dict[str, Cell], dict[tuple[Value, str], Derived]]:
        """Begin with a module."""
        found = self[module] = self._heap.cells_of(module), {}
        return found


class Known:
    """The functions, classes and calls of what was read, and answers that stay good until something changes."""

    def __init__(self, heap: Heap) -> None:
        """Nothing was asked yet."""
        self.functions: dict[ast.AST, FunctionInfo] = {}
        self.classes: dict[ast.AST, ClassInfo] = {}
        self.class_frames: dict[ClassInfo, Frame] = {}
        self.callees: dict[ast.AST, Value] = {}
        """What is called, by the call."""
        self.indices: dict[ast.AST, Value] = {}
        """What stands in brackets, by the subscript."""
        self.methods: dict[tuple[Function, Value], Value] = {}
        """Functions as instances give them, by the function and what it is bound to."""
        self.default_values: dict[ast.AST, Value] = {}
        """What the defaults that are written for parameters are."""
        self.annotations: dict[ast.expr, Value] = {}
        """What annotations say that cannot say anything else later."""
        self.meant: dict[Value, Value] = {}
        """What annotations say that name these classes."""
        self.instances: dict[str, Value] = {}
        """What instances of classes of elsewhere are, by the class's full name."""
        self.quoted: dict[ast.AST, ast.expr] = {}
        """Annotations in quotes, parsed."""
        self.layers: dict[str, Layer | None] = {}
        """The layer of each module, by its name below the root, as far as that was asked."""
        self.derived: dict[tuple[Value, str], Derived] = {}
        """What attributes were found to be, by receiver and name, where that is the same in all modules."""
        self.scopes = Scopes(heap)
        """The same where it is not, by the module, beside the module's globals."""
        self.results: dict[tuple[object, ...], Derived] = {}
        """What calls of functions were found to give, by the function and what it is given."""
        self.member_values: dict[tuple[ClassInfo, int], Derived] = {}
        """The strings that the members of enums stand for, by enum and how many names it has."""
        self.state_slots: dict[ClassInfo | FunctionInfo, tuple[tuple[int, str], ...]] = {}
        """Which parameters or fields are annotated with the state enum, by place and name, where that is settled."""
        self.lives: dict[Value, Value] = {}
        """What is left of values as arguments without what nothing can be learnt from."""
        self.held: set[Atom] = set()
        """Containers that were found to hold something of interest."""
        self.dull: dict[Atom, Derived] = {}
        """Containers that were found to hold nothing of interest, for as long as what they hold does not grow."""
        self.module_frames: dict[ModuleInfo, Frame] = {}
        """Frames in which modules' names are looked up."""

    def forget_derived(self) -> None:
        """Work attributes out anew, for a class has another subclass, or a function is of another kind than before."""
        self.derived.clear()
        for _, derived in self.scopes.values():
            derived.clear()
