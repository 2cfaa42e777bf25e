"""The last gate before generated Python is written: what came out must be what the contract says, and no more.

The gate knows nothing of the templates. It parses the text and holds its syntax tree against the model, so that
whatever slipped through quoting, a class or a call that nobody declared, stops the generator.
"""

import ast
from collections.abc import Iterable, Iterator

from codegen.errors import GateError
from codegen.model import Contract, Value
from codegen.pycode.modules import STANDARD, STATIC, names_of

_NODES: tuple[type[ast.AST], ...] = (
    ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.keyword, ast.Return,
    ast.Assign, ast.AnnAssign, ast.AugAssign, ast.For, ast.If, ast.Raise, ast.Try, ast.ExceptHandler,
    ast.Import, ast.ImportFrom, ast.alias, ast.Expr, ast.Pass, ast.BoolOp, ast.boolop, ast.BinOp,
    ast.operator, ast.UnaryOp, ast.unaryop, ast.IfExp, ast.Dict, ast.ListComp, ast.DictComp,
    ast.SetComp, ast.GeneratorExp, ast.comprehension, ast.Compare, ast.cmpop, ast.Call,
    ast.JoinedStr, ast.FormattedValue, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred,
    ast.Name, ast.List, ast.Tuple, ast.Slice, ast.expr_context,
)  # fmt: skip
_FORBIDDEN = frozenset(
    ["eval", "exec", "compile", "open", "input", "globals", "locals", "vars", "breakpoint"]
)
_DUNDERS = frozenset(
    [
        "__all__",
        "__class__",
        "__init__",
        "__members__",
        "__module__",
        "__name__",
        "__new__",
        "__qualname__",
        "__setattr__",
        "__slots__",
        "__str__",
    ]
)
_MODULES = frozenset(STANDARD.values())


def check_module(name: str, source: str, contract: Contract, package: str) -> None:
    """Hold a rendered module against the contract."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise GateError(f"{name}.py does not parse: {error}") from None
    for node in ast.walk(tree):
        _check_node(name, node)
    for node in tree.body:
        _check_import(name, node, package)
    if name == "__init__":
        return
    found = [one for one in _definitions(tree.body) if not one.startswith("_")]
    expected = {
        *STATIC.get(name, ()),
        *(one.name for one in names_of(contract) if one.module == name),
    }
    _compare(
        name, "the definitions", sorted(set(found)), sorted(expected | _constants(name, found))
    )
    if len(found) != len(set(found)):
        raise GateError(f"{name}.py defines a name twice")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for owner, fields in _dataclasses(contract):
        if owner in classes:
            declared = [one for one in _fields(classes[owner]) if one != "EVENT"]
            _compare(name, f"the fields of {owner}", declared, [field.name for field in fields])
            _check_class(name, classes[owner])


def _check_node(name: str, node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        raise GateError(f"{name}.py holds a {type(node).__name__}")
    if isinstance(node, ast.Name) and node.id in _FORBIDDEN:
        raise GateError(f"{name}.py mentions {node.id}")
    if isinstance(node, ast.Name | ast.Attribute):
        mentioned = node.id if isinstance(node, ast.Name) else node.attr
        if mentioned.startswith("__") and mentioned not in _DUNDERS:
            raise GateError(f"{name}.py mentions {mentioned}")


def _check_import(name: str, node: ast.stmt, package: str) -> None:
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    for module in modules:
        if module not in _MODULES and not module.startswith(f"{package}."):
            raise GateError(f"{name}.py imports {module}")


def _definitions(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise GateError(f"a module holds a {type(node).__name__} beside its definitions")


def _constants(name: str, found: list[str]) -> set[str]:
    """The tables of fields have one constant for each owner, which nothing else imports."""
    return {one for one in found if name == "fields" and one.isupper()}


def _dataclasses(contract: Contract) -> Iterator[tuple[str, tuple[Value, ...]]]:
    yield "Context", contract.context
    yield "Envelope", contract.envelope.fields
    for record in contract.records:
        yield record.name, record.fields
    for event in contract.events:
        yield event.payload, event.fields


def _fields(node: ast.ClassDef) -> list[str]:
    return [
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    ]


def _check_class(name: str, node: ast.ClassDef) -> None:
    decorators = [ast.unparse(one) for one in node.decorator_list]
    _compare(
        name,
        f"the decorators of {node.name}",
        decorators,
        ["dataclass(frozen=True, slots=True, kw_only=True)"],
    )
    methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
    if methods not in ([], ["__post_init__"]):
        raise GateError(f"{name}.py: {node.name} has the methods {methods}")


def _compare(name: str, what: str, found: list[str], expected: list[str]) -> None:
    if found != expected:
        raise GateError(f"{name}.py: {what} should be {expected}, got {found}")
