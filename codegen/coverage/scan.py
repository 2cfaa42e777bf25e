"""Finds out what a code base does with a contract, by looking over mypy's shoulder.

A field is read where `x.field` stands and x is known to be a payload or record. Knowing that means following
annotations, narrowing (isinstance, match), generics and containers, which is what mypy does; its plugin hooks are told
of every attribute and every call together with their types. What follows from that:

- Whoever takes all fields alike reads none: `asdict`, `getattr`, a log reader, a SQL view.
- A value whose type mypy cannot tell (Any) is not known to be a payload, so nothing of it is read.
- A helper emits where it is called. Code that mypy finds unreachable does nothing, code that nobody calls counts.
- What a source holds is known where the source is a frozen dataclass; a property may give anything.
- A constant is a literal, None, a member of an enum, an empty tuple or list, or a name that can only hold one of these.
"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mypy.build import build
from mypy.errors import CompileError
from mypy.modulefinder import BuildSource
from mypy.nodes import Expression, FloatExpr, ListExpr, TupleExpr
from mypy.options import Options
from mypy.plugin import AttributeContext, FunctionContext, Plugin, ReportConfigContext
from mypy.types import Instance, LiteralType, NoneType, Type, UnionType, get_proper_type

from ..diagnostics.errors import CodegenError
from ..diagnostics.findings import Span
from .uses import DEFAULT, Arguments, Call, Uses

_REPLACE = "dataclasses.replace"
_CACHE = Path(".mypy_cache") / "coverage"


class ScanError(CodegenError):
    """Says why a code base cannot be scanned."""


def scan(root: Path, package: str, *, helpers: Collection[str], fields: Collection[str]) -> Uses:
    """Return what the code below `root` does, outside the generated `package`.

    `helpers` and `fields` are the dotted names of the emission helpers and of the fields of payloads and records.

    Raises:
        ScanError: there is no code, or it is no Python.
    """
    sources = list(_find_sources(root))
    if not sources:
        raise ScanError(f"the code to scan must be Python files, got none in {root}; name its root")
    options = _options(root)
    watcher = _Watcher(
        options, sources, package, helpers=frozenset(helpers), fields=frozenset(fields)
    )
    try:
        build(sources, options, extra_plugins=[watcher])
    except CompileError as error:
        raise ScanError(f"the code to scan must be Python, got {error.messages[0]}") from None
    return watcher.uses


def _find_sources(root: Path) -> Iterator[BuildSource]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        # An environment, such as .venv, may stand beside the code.
        if not any(part.startswith(".") for part in parts):
            yield BuildSource(str(path), ".".join(parts).removesuffix(".__init__"))


def _options(root: Path) -> Options:
    options = Options()
    options.mypy_path = [str(root)]
    options.explicit_package_bases = True
    options.cache_dir = str(_CACHE)
    # Libraries neither emit nor read; following them takes ten times as long.
    options.follow_imports = "skip"
    options.check_untyped_defs = True
    return options


class _Watcher(Plugin):
    """Notes what the hooks are told, and changes nothing."""

    def __init__(
        self,
        options: Options,
        sources: list[BuildSource],
        package: str,
        *,
        helpers: frozenset[str],
        fields: frozenset[str],
    ) -> None:
        super().__init__(options)
        self.uses = Uses()
        self._scanned = frozenset(source.module for source in sources)
        self._package = package
        self._paths = {source.path for source in sources if not self._is_generated(source.module)}
        self._helpers = helpers
        self._fields = fields
        self._started = time.time_ns()

    def _is_generated(self, module: str) -> bool:
        return f"{module}.".startswith(f"{self._package}.")

    def report_config_data(self, ctx: ReportConfigContext) -> object:
        """Have the scanned modules checked anew: hooks are not called for what comes from the cache."""
        return self._started if ctx.path in self._paths else None

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Have `x.field` noted."""
        return partial(self._note_read, fullname) if fullname in self._fields else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Have calls of helpers and of our classes noted."""
        if fullname in self._helpers:
            return partial(self._note_emission, fullname)
        if fullname.rpartition(".")[0] in self._scanned or fullname == _REPLACE:
            return partial(self._note_construction, fullname)
        return None

    def _note_read(self, name: str, ctx: AttributeContext) -> Type:
        if ctx.api.path in self._paths:
            place = Span(ctx.api.path, ctx.context.line, ctx.context.column + 1)
            self.uses.reads.setdefault(name, set()).add(place)
        return ctx.default_attr_type

    def _note_emission(self, name: str, ctx: FunctionContext) -> Type:
        if ctx.api.path in self._paths:
            call = _read_call(ctx)
            self.uses.emissions.setdefault(name, {})[call.place] = call
        return ctx.default_return_type

    def _note_construction(self, name: str, ctx: FunctionContext) -> Type:
        built = _frozen_class(ctx.default_return_type)
        if ctx.api.path in self._paths and built is not None and name in (built, _REPLACE):
            call = _read_call(ctx)
            if name == _REPLACE:
                # What is not given stays what it was.
                call = replace(
                    call, arguments={k: v for k, v in call.arguments.items() if v != DEFAULT}
                )
            self.uses.constructions.setdefault(built, {})[call.place] = call
        return ctx.default_return_type


def _frozen_class(type_: Type) -> str | None:
    """Return the name of a frozen dataclass, which stays what it was built from; None for other types."""
    built = get_proper_type(type_)
    if not isinstance(built, Instance):
        return None
    is_frozen = built.type.metadata.get("dataclass", {}).get("frozen")
    return built.type.fullname if is_frozen else None


def _read_call(ctx: FunctionContext) -> Call:
    arguments: Arguments = {}
    sources: tuple[str, ...] = ()
    for parameter, expressions, types, kinds in zip(
        ctx.callee_arg_names, ctx.args, ctx.arg_types, ctx.arg_kinds, strict=True
    ):
        if parameter is None:
            continue
        if not expressions:
            arguments[parameter] = DEFAULT
        elif len(expressions) > 1 or kinds[0].is_star():
            arguments[parameter] = None
        else:
            arguments[parameter] = _constant(expressions[0], types[0])
        if parameter == "source" and types:
            sources = tuple(_classes(types[0]))
    place = Span(ctx.api.path, ctx.context.line, ctx.context.column + 1)
    return Call(place=place, arguments=arguments, sources=sources)


def _constant(expression: Expression, type_: Type) -> str | None:
    """Return the constant that an expression is, as one would write it; None when it is something else."""
    if isinstance(expression, FloatExpr):
        return repr(expression.value)
    if isinstance(expression, TupleExpr | ListExpr) and not expression.items:
        return "()"
    proper = get_proper_type(type_)
    if isinstance(proper, Instance) and proper.last_known_value is not None:
        proper = proper.last_known_value
    if isinstance(proper, NoneType):
        return "None"
    if isinstance(proper, LiteralType):
        value = proper.value
        return f"{proper.fallback.type.name}.{value}" if proper.is_enum_literal() else repr(value)
    return None


def _classes(type_: Type) -> Iterator[str]:
    """Go through the classes that a value is known to have."""
    proper = get_proper_type(type_)
    if isinstance(proper, UnionType):
        for item in proper.items:
            yield from _classes(item)
    elif isinstance(proper, Instance):
        yield proper.type.fullname
