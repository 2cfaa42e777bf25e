"""Reads the table `[tool.esper-codegen]`: the contracts of a project, and the places of their generated files."""

import keyword
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..diagnostics.errors import UsageError
from ..diagnostics.similar import suggest
from ..output.layout import is_folder_of, is_plain
from ..reading import read_bounded
from .places import find_line

FILE = "pyproject.toml"
TABLE = ("tool", "esper-codegen")
FORMATTERS = ("none", "black")

DEFAULT_TARGETS = ("channel", "json_schema", "sql", "typescript")
"""The targets besides the package itself whose files are below `out` unless the table says otherwise."""
FILE_NAMES = {
    "contract_schema": "contract.schema.json",
    "sql": "views.sql",
    "typescript": "telemetry.ts",
    "markdown": "telemetry.md",
    "strategies": "strategies.py",
    "arrow": "arrow_schemas.py",
}
"""The targets with one file, which the table may name, and the name that the file has otherwise."""
TARGETS = ("channel", "json_schema", *FILE_NAMES)

_MAX_BYTES = 2**20
_FILE_SUFFIXES = frozenset([".py", *(PurePosixPath(name).suffix for name in FILE_NAMES.values())])

_ONE = ("contract", "out", "package", "history", "targets")
_TOP = (*_ONE, "formatter", "contracts")
_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A contract of a project; all paths are relative to the project's folder.

    `places` holds the folder of each target besides the package, and `file_names` the names of files that the project
    has chosen.
    """

    contract: PurePosixPath
    out: PurePosixPath
    package: str
    history: PurePosixPath
    places: Mapping[str, PurePosixPath] = field(default_factory=dict)
    file_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name by which --contract selects it."""
        return self.contract.stem


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The table of a project: its folder, its contracts, and the formatter of generated Python."""

    folder: Path
    contracts: tuple[Configured, ...]
    formatter: str


def find_configuration(start: Path) -> Path | None:
    """Return the nearest pyproject.toml with our table, in `start` or above it.

    Raises:
        UsageError: a pyproject.toml on the way is not TOML.
    """
    for folder in (start, *start.parents):
        path = folder / FILE
        if path.is_file() and _table_of(_load(path, _read(path))) is not None:
            return path
    return None


def read_configuration(path: Path) -> Configuration:
    """Read the table of a pyproject.toml.

    Raises:
        UsageError: the file has no such table, or the table is not valid; the message has a line for each mistake.
    """
    text = _read(path)
    table = _table_of(_load(path, text))
    if table is None:
        raise UsageError(f"{path} has no table [{'.'.join(TABLE)}]; `esper-codegen init` adds one")
    return _Reader(path, text).read(table)


def _read(path: Path) -> str:
    try:
        return read_bounded(path, _MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} must be UTF-8") from None


def _load(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None


def _table_of(document: dict[str, Any]) -> Any:
    tool = document.get(TABLE[0])
    return tool.get(TABLE[1]) if isinstance(tool, dict) else None


def _is_package(name: str) -> bool:
    return bool(_PACKAGE.fullmatch(name)) and not any(map(keyword.iskeyword, name.split(".")))


def _claims_of(one: Configured) -> Iterator[tuple[str, str, object]]:
    """Yield what belongs to one contract alone: the key of the table that says so, its kind, and its name."""
    yield "contract", "contract", one.contract.stem
    yield "out", "out", one.out
    yield "package", "package", one.package
    yield "history", "history", one.history
    for target, place in one.places.items():
        if target in FILE_NAMES:
            yield target, "file", place / one.file_names.get(target, FILE_NAMES[target])
        elif target == "json_schema":
            yield target, "file", place / "telemetry.schema.json"


class _Reader:
    """Reads one table, and collects the mistakes in it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._mistakes: list[str] = []
        self._table: Sequence[str] = TABLE
        self._index = 0
        self._misspelt: set[str] = set()

    def read(self, table: Any) -> Configuration:
        """Return the configuration; raise UsageError with all mistakes if there are any."""
        contracts: tuple[Configured, ...] = ()
        formatter = "none"
        if isinstance(table, dict):
            self._check_keys(table, _TOP)
            formatter = self._read_formatter(table)
            contracts = tuple(self._read_contracts(table))
            self._check_shared(contracts, (*TABLE, "contracts") if "contracts" in table else TABLE)
        else:
            self._add("", f"[{'.'.join(TABLE)}] must be a table")
        if self._mistakes:
            raise UsageError("\n".join(self._mistakes))
        return Configuration(folder=self._path.parent, contracts=contracts, formatter=formatter)

    def _read_formatter(self, table: dict[str, Any]) -> str:
        formatter = table.get("formatter", "none")
        if formatter not in FORMATTERS:
            self._add(
                "formatter", f"formatter must be one of {', '.join(FORMATTERS)}, got {formatter!r}"
            )
        return str(formatter)

    def _read_contracts(self, table: dict[str, Any]) -> Iterator[Configured]:
        if "contracts" not in table:
            yield from self._read_one(table)
            return
        for key in _ONE:
            if key in table:
                self._add(key, f"{key} belongs into a table of contracts, since there are several")
        many = table["contracts"]
        if not isinstance(many, list) or not many or not all(isinstance(one, dict) for one in many):
            self._add("contracts", "contracts must be tables, [[tool.esper-codegen.contracts]]")
            return
        for index, one in enumerate(many):
            self._table, self._index = (*TABLE, "contracts"), index
            self._check_keys(one, _ONE)
            yield from self._read_one(one)
        self._table, self._index = TABLE, 0

    def _read_one(self, table: dict[str, Any]) -> Iterator[Configured]:
        contract, out = self._read_path(table, "contract"), self._read_path(table, "out")
        package = table.get("package")
        if package is None:
            if "package" not in self._misspelt:
                self._add(
                    "package", "package is missing; it must be a dotted name like shop.events"
                )
        elif not isinstance(package, str) or not _is_package(package):
            self._add("package", f"package must be a dotted name like shop.events, got {package!r}")
        if contract is None or out is None or not isinstance(package, str):
            return
        if not is_folder_of(out, package):
            folder = package.replace(".", "/")
            self._add("out", f"out must end with {folder}, as package does, got {out}")
        history = contract.parent / "history" / contract.stem
        if "history" in table:
            history = self._read_path(table, "history") or history
        places, names = self._read_targets(table.get("targets", {}), out)
        yield Configured(
            contract=contract,
            out=out,
            package=package,
            history=history,
            places=places,
            file_names=names,
        )

    def _read_targets(
        self, table: Any, out: PurePosixPath
    ) -> tuple[dict[str, PurePosixPath], dict[str, str]]:
        places: dict[str, PurePosixPath] = dict.fromkeys(DEFAULT_TARGETS, out)
        names: dict[str, str] = {}
        if not isinstance(table, dict):
            self._add("targets", "targets must be a table of places, by the names of targets")
            return places, names
        outer, self._table = self._table, (*self._table, "targets")
        self._check_keys(table, TARGETS)
        for target in [one for one in TARGETS if one in table]:
            place = table[target]
            if isinstance(place, bool):
                places.pop(target, None)
                if place:
                    places[target] = out
            elif target == "channel":
                self._add(target, "channel must be true or false: its module is in the package")
            else:
                path = self._read_path(table, target)
                suffix = PurePosixPath(FILE_NAMES.get(target, "")).suffix
                if path is None:
                    continue
                if str(path) in ("true", "false"):
                    self._add(target, f"{target} must be a path, true or false; remove the quotes")
                elif path.suffix and path.suffix == suffix:
                    places[target], names[target] = path.parent, path.name
                elif path.suffix.lower() in _FILE_SUFFIXES or path.suffix == ".txt":
                    file = f", or a file that ends with {suffix}" if suffix else ""
                    self._add(target, f"{target} must be a folder{file}, got {str(path)!r}")
                else:
                    places[target] = path
        self._table = outer
        return places, names

    def _read_path(self, table: dict[str, Any], key: str) -> PurePosixPath | None:
        text = table.get(key)
        if text is None:
            if key not in self._misspelt:
                self._add(key, f"{key} is missing; it must be a path of plain characters")
            return None
        if not isinstance(text, str) or not is_plain(text):
            self._add(key, f"{key} must be a path of plain characters, got {text!r}")
            return None
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts or path == PurePosixPath("."):
            self._add(key, f"{key} must be a path inside the folder of {FILE}, got {text!r}")
            return None
        return path

    def _check_shared(self, contracts: Sequence[Configured], table: Sequence[str]) -> None:
        """Check that no two contracts have a package or an archive in common, and no two targets a file."""
        owners: dict[object, tuple[str, Configured]] = {}
        for index, one in enumerate(contracts):
            self._index = index
            for key, kind, claim in _claims_of(one):
                other, owner = owners.setdefault((kind, claim), (key, one))
                if (other, owner) == (key, one):
                    continue
                self._table = table if key in _ONE else (*table, "targets")
                whose = other if owner is one else owner.contract
                hint = "choose another"
                if key == other == "contract_schema":
                    hint = "it is the same for all contracts, so leave it out here"
                self._add(key, f"{key} {claim} belongs to {whose} already; {hint}")
        self._table, self._index = TABLE, 0

    def _check_keys(self, table: dict[str, Any], known: Sequence[str]) -> None:
        self._misspelt = set()
        for key in table:
            if key not in known:
                hint = suggest(key, known) or f"the keys here are: {', '.join(known)}"
                # That key is not reported as missing as well.
                self._misspelt |= {one for one in known if f'"{one}"' in hint and one not in table}
                self._add(key, f'unknown key "{key}" in [{".".join(self._table)}]; {hint}')

    def _add(self, key: str, message: str) -> None:
        line = find_line(self._text, self._table, key, index=self._index)
        self._mistakes.append(f"{self._path.name}:{line}: {message}")
