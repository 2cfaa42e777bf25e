"""The syntax tree of generated Python, and the names in it, collected in one pass."""

import ast
from dataclasses import dataclass, field
from functools import lru_cache

# The kinds of nodes that generated code may have, with the attributes that hold further nodes. Operators are left
# out, because they hold no names.
_CHILDREN: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Module: ("body",),
    ast.ClassDef: ("decorator_list", "bases", "keywords", "body"),
    ast.FunctionDef: ("decorator_list", "args", "returns", "body"),
    ast.arguments: (
        "posonlyargs",
        "args",
        "vararg",
        "kwonlyargs",
        "kwarg",
        "defaults",
        "kw_defaults",
    ),
    ast.arg: ("annotation",),
    ast.keyword: ("value",),
    ast.Return: ("value",),
    ast.Assign: ("targets", "value"),
    ast.AnnAssign: ("target", "annotation", "value"),
    ast.AugAssign: ("target", "value"),
    ast.For: ("target", "iter", "body", "orelse"),
    ast.If: ("test", "body", "orelse"),
    ast.Raise: ("exc", "cause"),
    ast.Try: ("body", "handlers", "orelse", "finalbody"),
    ast.ExceptHandler: ("type", "body"),
    ast.Import: (),
    ast.ImportFrom: (),
    ast.Expr: ("value",),
    ast.Pass: (),
    ast.BoolOp: ("values",),
    ast.BinOp: ("left", "right"),
    ast.UnaryOp: ("operand",),
    ast.IfExp: ("test", "body", "orelse"),
    ast.Dict: ("keys", "values"),
    ast.ListComp: ("elt", "generators"),
    ast.DictComp: ("key", "value", "generators"),
    ast.SetComp: ("elt", "generators"),
    ast.GeneratorExp: ("elt", "generators"),
    ast.comprehension: ("target", "iter", "ifs"),
    ast.Compare: ("left", "comparators"),
    ast.Call: ("func", "args", "keywords"),
    ast.JoinedStr: ("values",),
    ast.FormattedValue: ("value", "format_spec"),
    ast.Constant: (),
    ast.Attribute: ("value",),
    ast.Subscript: ("value", "slice"),
    ast.Starred: ("value",),
    ast.Name: (),
    ast.List: ("elts",),
    ast.Set: ("elts",),
    ast.Tuple: ("elts",),
    ast.Slice: ("lower", "upper", "step"),
    ast.Load: (),
    ast.Store: (),
}


_NAMED = {ast.Name, ast.Attribute, ast.arg, ast.ClassDef, ast.FunctionDef, ast.ExceptHandler}


@dataclass(slots=True)
class Syntax:
    """A parsed piece of Python.

    `loaded` and `bound` are the names that it reads and binds, `attributes` the names of attributes, and `foreign`
    the kinds of nodes that generated code must not have.
    """

    tree: ast.Module
    loaded: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)


# The target parses the body of a module to find its imports, and the gate checks the same body next.
@lru_cache(maxsize=4)
def read_syntax(source: str) -> Syntax:
    """Parse a piece of Python and walk its tree once.

    Raises:
        SyntaxError: the source is not Python.
    """
    syntax = Syntax(ast.parse(source))
    todo: list[ast.AST | None] = [syntax.tree]
    while todo:
        node = todo.pop()
        if node is None:
            continue
        kind = type(node)
        if kind not in _CHILDREN:
            syntax.foreign.add(kind.__name__)
            todo += ast.iter_child_nodes(node)
            continue
        if kind in _NAMED:
            _record_name(syntax, node)
        for name in _CHILDREN[kind]:
            child = getattr(node, name)
            if type(child) is list:
                todo += child
            else:
                todo.append(child)
    return syntax


def _record_name(syntax: Syntax, node: ast.AST) -> None:
    if isinstance(node, ast.Name):
        (syntax.loaded if type(node.ctx) is ast.Load else syntax.bound).add(node.id)
    elif isinstance(node, ast.Attribute):
        syntax.attributes.add(node.attr)
    elif isinstance(node, ast.arg):
        syntax.bound.add(node.arg)
    elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.ExceptHandler) and node.name:
        syntax.bound.add(node.name)
