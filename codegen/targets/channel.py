"""Target channel: a ready channel, which appends events to a file of JSON lines, and the function that reads them."""

from collections.abc import Iterable, Iterator

from ..contract.model import Contract, Value
from ..languages.printable import environment
from ..languages.python.imports import import_block, names_used
from ..languages.python.modules import find_homes
from ..languages.python.quoting import Python, code, doc, ident, join, lit
from ..languages.python.values import annotate_given, checked, default_of
from .target import Chunk, Output, Target

NAMES = ("Damaged", "JsonLinesChannel", "read_lines")
"""Names that the module always defines."""
MODULE = "writer"

_PATH = f"{MODULE}.py"
_TEMPLATES = environment("channel", Python)
# Modules, because a contract may have classes that are called as theirs.
_MODULES = (
    "contextlib",
    "io",
    "itertools",
    "logging",
    "os",
    "pathlib",
    "secrets",
    "threading",
    "time",
    "typing",
)
# Names that the constructor uses otherwise: a parameter that is called so gets an underscore.
_USED = frozenset(["path", "context", "strict", "sync", "self", "set", *_MODULES])
_STAMPS = {
    "sequence": Python("number"),
    "unix_ns": Python("time.time_ns()"),
    "unix_ms": Python("time.time_ns() // 1_000_000"),
    "monotonic_ns": Python("time.monotonic_ns()"),
    "process_id": Python("self._process"),
    "writer": Python("self._writer"),
}


def render(contract: Contract, package: str) -> Iterator[Output]:
    """Render the module."""
    fixed = list(_find_fixed(contract))
    body = _TEMPLATES.get_template("writer.py.j2").render(
        logger=lit(package),
        parameters=join(", ", _parameters(fixed)),
        setup=list(_setup(contract, fixed)),
        envelope=join(", ", _fill(contract)),
    )
    homes = find_homes(contract, package) | {name: name for name in _MODULES}
    text = "A ready channel: appends events to a file, one line of JSON each, and reads them back."
    head = join("\n\n", [doc(text), import_block(names_used(body), homes)])
    yield Output(_PATH, (Chunk("", head), Chunk("Envelope", body.strip("\n"))))


TARGET = Target(
    name="channel",
    root="package",
    outputs=lambda contract: [_PATH],
    render=render,
)


def _find_fixed(contract: Contract) -> Iterator[Value]:
    """Yield the keys of a line that are the same in all lines of a file, because nothing else says where they come from."""
    known = {"event", "v", *(one.name for one in contract.context)}
    for one in contract.envelope.fields:
        if one.name not in known and contract.envelope.stamp_of(one) is None:
            yield one


def _parameters(fixed: Iterable[Value]) -> Iterator[Python]:
    yield Python("path: pathlib.Path | str")
    yield Python("context: Context | None = None")
    yield Python("*")
    yield Python("strict: bool = False")
    yield Python("sync: bool = False")
    for one in fixed:
        parameter = code("{name}: {type}", name=_parameter(one), type=annotate_given(one))
        default = default_of(one)
        if default is not None:
            parameter = code("{it} = {default}", it=parameter, default=default)
        yield parameter


def _parameter(value: Value) -> Python:
    return ident(f"{value.name}_" if value.name in _USED else value.name)


def _setup(contract: Contract, fixed: Iterable[Value]) -> Iterator[Python]:
    """Write the statements of the constructor that depend on the envelope, which check what the user gives."""
    for one in fixed:
        yield from checked(one, code("self.{name}", name=_attribute(one)), _parameter(one))
    if "writer" in dict(contract.envelope.stamps).values():
        yield Python("self._writer = secrets.token_hex(8)")


def _attribute(value: Value) -> Python:
    return ident(f"_fixed_{value.name}")


def _fill(contract: Contract) -> Iterator[Python]:
    """Write the arguments of `make_envelope`."""
    for one in contract.envelope.fields:
        if one.name != "v":
            yield code("{name}={value}", name=ident(one.name), value=_value_of(one, contract))


def _value_of(value: Value, contract: Contract) -> Python:
    if value.name == "event":
        return Python("payload.EVENT")
    if any(one.name == value.name for one in contract.context):
        return code("self.context.{name}", name=ident(value.name))
    stamp = contract.envelope.stamp_of(value)
    if stamp is None:
        return code("self.{name}", name=_attribute(value))
    if stamp == "unix_s":
        return Python(
            "time.time()" if str(value.type) == "float" else "time.time_ns() // 1_000_000_000"
        )
    return _STAMPS[stamp]
