"""What a method in a class body really is: the last binding of its name, as its decorators leave it."""

from __future__ import annotations

import ast

from runward_scanner.inference.values import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runward_scanner.inference.engine import Engine
    from runward_scanner.inference.model import ClassInfo, FunctionInfo, ModuleInfo

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def method_of(info: ClassInfo, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The method that a class body defines under a name: the last one."""
    found = [item for item in info.node.body if isinstance(item, FUNCTIONS) and item.name == name]
    return found[-1] if found else None


def rebound(info: ClassInfo, name: str) -> ast.stmt | None:
    """The statement of a class body that binds something else to a method's name after it was defined."""
    method = method_of(info, name)
    for item in reversed(info.node.body):
        if item is method:
            return None
        targets: list[ast.expr] = []
        if type(item) is ast.Assign:
            targets = item.targets
        elif type(item) is ast.AnnAssign:
            targets = [item.target]
        if method is not None and any(type(target) is ast.Name and target.id == name for target in targets):
            return item
    return None


def dropped_by(engine: Engine, module: ModuleInfo, node: ast.AST) -> ast.expr | None:
    """The decorator of a function that puts another in its place: the project's, and it never calls the function."""
    for decorator in node.decorator_list if isinstance(node, FUNCTIONS) else ():
        if type(decorator) is ast.Call:
            value = engine.callees.get(decorator, frozenset())
        elif type(decorator) is ast.Name:
            value = engine.frame_of_module(module).lookup(decorator.id)
        else:
            continue
        functions = [atom.info for atom in value if type(atom) is Function]
        if functions and not any(_passes_on(info) for info in functions):
            return decorator
    return None


def _passes_on(info: FunctionInfo) -> bool:
    """Whether a decorator calls, gives back or hands on what it is given."""
    parameters = {
        argument.arg
        for item in ast.walk(info.node)
        if isinstance(item, (*FUNCTIONS, ast.Lambda))
        for argument in (*item.args.posonlyargs, *item.args.args)
    }
    for item in ast.walk(info.node):
        if type(item) is ast.Call and type(item.func) is ast.Name and item.func.id in parameters:
            return True
        if type(item) is ast.Call and any(_names(argument, parameters) for argument in item.args):
            wraps = isinstance(item.func, (ast.Name, ast.Attribute)) and "wraps" in ast.dump(item.func)
            if not wraps and _names(item.args[0], _first(info)):
                return True
        if type(item) is ast.Return and item.value is not None and _names(item.value, parameters):
            return True
    return False


def _first(info: FunctionInfo) -> set[str]:
    """The first parameters of a decorator and of the functions in it: what it decorates."""
    return {
        item.args.args[0].arg
        for item in ast.walk(info.node)
        if isinstance(item, FUNCTIONS) and item.args.args and item.args.args[0].arg not in {"self", "cls"}
    }


def _names(node: ast.expr, names: set[str]) -> bool:
    return type(node) is ast.Name and node.id in names
