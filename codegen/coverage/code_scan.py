"""Finds the places where a code base emits events and reads fields, with a mypy plugin.

`x.field` is a read where the type of x is a payload or record. To know that, one has to follow annotations, narrowing
(isinstance, match), generics and containers, which mypy does; it calls the hooks of a plugin for every attribute and
every call with their types. Consequences:

- Code that handles all fields alike reads none of them: `asdict`, `getattr`, a log reader, a SQL view.
- A value of type Any is not known to be a payload, so its attributes do not count.
- An event is emitted where its helper is called. Code that mypy finds unreachable does not count; functions that are
  never called do.
- The values of a source's attributes are known if the source is a frozen dataclass; a property may return anything.
- A constant is a literal, None, a member of an enum, an empty tuple or list, or a name that can only be one of these.
"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
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

Arguments = dict[str, str | None]
"""The arguments of a call by parameter: the source text of a constant, or None for any other expression."""

DEFAULT = "its default"
"""Stands for the constant of a parameter without an argument."""

_REPLACE = "dataclasses.replace"
_CACHE = Path(".mypy_cache") / "coverage"


class ScanError(CodegenError):
    """The code base cannot be scanned; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of an emission helper, or the construction of a frozen dataclass."""

    place: Span
    arguments: Arguments
    sources: tuple[str, ...]
    """The classes that the argument `source` may have, by dotted name."""


@dataclass(frozen=True, slots=True)
class Uses:
    """Calls and reads in a code base, by the dotted name of the helper, class or field."""

    emissions: dict[str, dict[Span, Call]] = field(default_factory=dict)
    constructions: dict[str, dict[Span, Call]] = field(default_factory=dict)
    reads: dict[str, set[Span]] = field(default_factory=dict)


def scan(root: Path, package: str, *, helpers: Collection[str], fields: Collection[str]) -> Uses:
    """Return the uses of a contract in the Python files below `root`, without the generated `package`.

    `helpers` and `fields` are the dotted names of the emission helpers and of the fields of payloads and records.

    Raises:
        ScanError: there are no Python files, or one of them cannot be parsed.
    """
    sources = list(_find_sources(root))
    if not sources:
        raise ScanError(
            f"the code to scan must be Python files, but {root} has no *.py file; name its root"
        )
    options = _options(root)
    scanner = _UsesPlugin(
        options, sources, package, helpers=frozenset(helpers), fields=frozenset(fields)
    )
    try:
        build(sources, options, extra_plugins=[scanner])
    except CompileError as error:
        raise ScanError(f"the code to scan must be Python, got {error.messages[0]}") from None
    return scanner.uses


def _find_sources(root: Path) -> Iterator[BuildSource]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        # A virtual environment such as .venv may lie in the same folder as the code.
        if not any(part.startswith(".") for part in parts):
            yield BuildSource(str(path), ".".join(parts).removesuffix(".__init__"))


def _options(root: Path) -> Options:
    options = Options()
    options.mypy_path = [str(root)]
    options.explicit_package_bases = True
    options.cache_dir = str(_CACHE)
    # Libraries do not use the contract, and following their imports takes ten times as long.
    options.follow_imports = "skip"
    options.check_untyped_defs = True
    return options


class _UsesPlugin(Plugin):
    """Collects uses from the hooks, and leaves all types unchanged."""

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
        """Make mypy check the scanned modules in every run: it calls no hooks for modules from its cache."""
        return self._started if ctx.path in self._paths else None

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Record reads of fields."""
        return partial(self._record_read, fullname) if fullname in self._fields else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Record calls of helpers and constructions of the classes of the code base."""
        if fullname in self._helpers:
            return partial(self._record_emission, fullname)
        if fullname.rpartition(".")[0] in self._scanned or fullname == _REPLACE:
            return partial(self._record_construction, fullname)
        return None

    def _record_read(self, name: str, ctx: AttributeContext) -> Type:
        if ctx.api.path in self._paths:
            place = Span(ctx.api.path, ctx.context.line, ctx.context.column + 1)
            self.uses.reads.setdefault(name, set()).add(place)
        return ctx.default_attr_type

    def _record_emission(self, name: str, ctx: FunctionContext) -> Type:
        if ctx.api.path in self._paths:
            call = _read_call(ctx)
            self.uses.emissions.setdefault(name, {})[call.place] = call
        return ctx.default_return_type

    def _record_construction(self, name: str, ctx: FunctionContext) -> Type:
        built = _frozen_class(ctx.default_return_type)
        if ctx.api.path in self._paths and built is not None and name in (built, _REPLACE):
            call = _read_call(ctx)
            if name == _REPLACE:
                # Fields without an argument keep their value.
                call = replace(
                    call, arguments={k: v for k, v in call.arguments.items() if v != DEFAULT}
                )
            self.uses.constructions.setdefault(built, {})[call.place] = call
        return ctx.default_return_type


def _frozen_class(type_: Type) -> str | None:
    """Return the name of a frozen dataclass, whose fields keep their values; None for other types."""
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
    """Return the source text of a constant; None for any other expression."""
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
    """Yield the classes that a value may have, by dotted name."""
    proper = get_proper_type(type_)
    if isinstance(proper, UnionType):
        for item in proper.items:
            yield from _classes(item)
    elif isinstance(proper, Instance):
        yield proper.type.fullname
