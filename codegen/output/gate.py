"""Checks generated Python before it is written: it defines what the contract declares, and nothing else.

The gate does not know the templates. It parses the text and compares its syntax tree with the model, so a class or a
call that got past the quoting stops the generator.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence

from ..contract.model import Contract, Value
from ..diagnostics.errors import GateError
from ..languages.python.modules import (
    BUILTINS,
    STANDARD,
    STATIC,
    WIRE_TABLE,
    find_homes,
    names_of,
)
from ..languages.python.syntax import read_syntax
from ..targets.target import Output

_DUNDERS = frozenset([
    "__class__", "__delattr__", "__init__", "__members__", "__module__", "__name__", "__post_init__",
    "__new__", "__qualname__", "__setattr__", "__slots__", "__str__",
])  # fmt: skip
_MODULES = frozenset(STANDARD.values())
# Names that one module needs, and no other may mention.
_ONLY_IN = {
    "channel.py": frozenset(["NotImplemented", "getattr", "hash"]),
    "lazy.py": frozenset(["__package__", "getattr", "import_module", "iter"]),
    "__init__.py": frozenset(["AttributeError", "__name__", "globals"]),
}
_DATACLASS = "dataclass(frozen=True, slots=True, kw_only=True)"
_PAYLOAD_DATACLASS = "dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)"


class Gate:
    """Compares the modules of one package with the contract."""

    def __init__(self, contract: Contract, package: str) -> None:
        self._package = package
        self._known = (find_homes(contract, package).keys() | BUILTINS).difference(
            *_ONLY_IN.values()
        )
        self._fields = dict(_dataclasses(contract))
        self._defined = {name: set(names) for name, names in STATIC.items()}
        for family in contract.families:
            self._defined |= {family.name: set(), f"{family.name}_wire": {WIRE_TABLE}}
        self._defined["__init__"] = {"__all__"}
        for one in names_of(contract):
            self._defined.setdefault(one.module, set()).add(one.name)

    def check(self, output: Output) -> None:
        """Compare a rendered module with the contract.

        Raises:
            GateError: the module does not parse, or contains something that the contract does not declare.
        """
        head = output.chunks[0]
        name = output.path.removesuffix(".py")
        try:
            imports = ast.parse(head.text).body
            body = read_syntax(output.body)
        except (SyntaxError, ValueError) as error:
            raise GateError(f"{output.path} does not parse: {error}") from None
        for node in imports:
            self._check_import(output.path, node)
        if body.foreign:
            raise GateError(f"{output.path} contains {', '.join(sorted(body.foreign))}")
        self._check_names(output.path, body.loaded - body.bound, body.attributes)
        statements = body.tree.body
        if name == "__init__":
            statements = list(self._open_guards(output.path, statements))
        found = list(_definitions(output.path, statements))
        if len(found) != len(set(found)):
            raise GateError(f"{output.path} defines a name twice")
        expected = self._defined[name]
        self._check_definitions(output.path, set(found), expected)
        for node in body.tree.body:
            if isinstance(node, ast.ClassDef) and node.name in self._fields:
                _check_dataclass(output.path, node, self._fields[node.name])

    def _check_import(self, path: str, node: ast.stmt) -> None:
        match node:
            case ast.Import(names=aliases):
                modules = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
            case ast.Expr(value=ast.Constant()):
                return
            case _:
                raise GateError(f"the head of {path} contains {type(node).__name__}")
        for module in modules:
            if module not in _MODULES and not module.startswith(f"{self._package}."):
                raise GateError(f"{path} imports {module}")

    def _open_guards(self, path: str, body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
        """Yield the statements of a package, those that only type checkers see or do not see among them.

        Type checkers see only imports, which are checked here.
        """
        for node in body:
            match node:
                case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=imports, orelse=[]):
                    for one in imports:
                        self._check_import(path, one)
                case ast.If(
                    test=ast.UnaryOp(op=ast.Not(), operand=ast.Name(id="TYPE_CHECKING")),
                    body=hidden,
                    orelse=[],
                ):
                    yield from hidden
                case _:
                    yield node

    def _check_names(self, path: str, names: set[str], attributes: set[str]) -> None:
        unknown = names - self._known - _ONLY_IN.get(path, frozenset())
        unknown |= {one for one in attributes if one.startswith("__") and one not in _DUNDERS}
        if unknown:
            raise GateError(f"{path} mentions {', '.join(sorted(unknown))}")

    def _check_definitions(self, path: str, found: set[str], expected: set[str]) -> None:
        public = {one for one in found if one in expected or not one.startswith("_")}
        # The module of field tables has a constant for each owner, which no other module imports.
        if path == "fields.py":
            public = {one for one in public if one in expected or not one.isupper()}
        if public != expected:
            odd = ", ".join(sorted(public ^ expected))
            raise GateError(f"{path} defines too much or too little: {odd}")


def _definitions(path: str, body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise GateError(f"{path} contains {type(node).__name__} besides its definitions")


def _dataclasses(contract: Contract) -> Iterator[tuple[str, Sequence[Value]]]:
    yield "Context", contract.context
    yield "Envelope", contract.envelope.fields
    for record in contract.records:
        yield record.name, record.fields
    for event in contract.events:
        yield event.payload, event.fields


def _check_dataclass(path: str, node: ast.ClassDef, fields: Sequence[Value]) -> None:
    is_payload = [ast.unparse(one) for one in node.bases] == ["Payload"]
    decorator = _PAYLOAD_DATACLASS if is_payload else _DATACLASS
    if [ast.unparse(one) for one in node.decorator_list] != [decorator]:
        raise GateError(f"{path}: {node.name} must be a {decorator}")
    declared = []
    for one in node.body:
        match one:
            case ast.AnnAssign(target=ast.Name(id=name)):
                declared.append(name)
            case ast.FunctionDef(name="__post_init__") | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise GateError(f"{path}: {node.name} contains {type(one).__name__}")
    expected = [field.name for field in fields]
    if [name for name in declared if name != "EVENT"] != expected:
        raise GateError(f"{path}: {node.name} must have the fields {expected}, got {declared}")
