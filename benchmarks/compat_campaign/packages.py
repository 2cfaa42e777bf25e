"""Generated packages of contracts, loaded from memory, and their readers."""

import importlib.abc
import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

import duckdb
import jsonschema

from codegen.contract.bind import Binder
from codegen.contract.load import parse
from codegen.contract.model import Contract
from codegen.contract.resolve import resolve
from codegen.contract.spec import ContractSpec
from codegen.diagnostics.findings import Findings
from codegen.rules.table import check_contract
from codegen.targets import python, sql
from codegen.targets.json_schema import reader_schema

Plain = dict[str, Any]


class InvalidContractError(ValueError):
    """A drawn contract breaks a rule, so that no code can be generated from it."""


def compile_plain(plain: Plain) -> Contract:
    """Compile a contract that is given as plain values.

    Raises:
        InvalidContractError: it has errors.
    """
    findings = Findings()
    document = parse(json.dumps(plain, ensure_ascii=False), "drawn.yaml", findings)
    binder = Binder(findings)
    spec = binder.bind(ContractSpec, document) if document is not None else None
    if spec is not None:
        contract = resolve(spec, binder.broken, findings)
        check_contract(contract, spec, findings)
        if not findings.has_errors:
            return contract
    raise InvalidContractError("\n".join(str(one) for one in findings))


class Package:
    """The generated package of a contract, under a name of its own in `sys.modules`."""

    def __init__(self, contract: Contract, name: str) -> None:
        self.contract = contract
        self.name = name
        self._sources = {
            output.path.removesuffix(".py"): "\n\n".join(chunk.text for chunk in output.chunks)
            for output in python.render(contract, name)
        }

    def __enter__(self) -> "Package":
        self._finder = _Finder(self.name, self._sources)
        sys.meta_path.insert(0, self._finder)
        self.root: Any = importlib.import_module(self.name)
        self.strict: Any = importlib.import_module(f"{self.name}.strict")
        self.codec: Any = importlib.import_module(f"{self.name}.codec")
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self._finder)
        for name in [one for one in sys.modules if f"{one}.".startswith(f"{self.name}.")]:
            del sys.modules[name]

    def module(self, name: str) -> ModuleType | None:
        """Return a module of the package; None if it does not have it."""
        return importlib.import_module(f"{self.name}.{name}") if name in self._sources else None

    @cached_property
    def reader_schema(self) -> jsonschema.Draft202012Validator:
        """The JSON Schema for readers."""
        return jsonschema.Draft202012Validator(reader_schema(self.contract))

    @cached_property
    def views(self) -> str:
        """The script that creates the views."""
        return "".join(
            chunk.text for output in sql.render(self.contract, self.name) for chunk in output.chunks
        )


def query_views(package: Package, log: str, events: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the rows that the view of each event has of a log, as dictionaries; or the error of DuckDB.

    `log` is the path of the file.
    """
    connection = duckdb.connect()
    try:
        connection.execute("SET threads = 1")
        connection.execute("SET VARIABLE run_log = ?", [log])
        connection.execute(package.views)
        for event in events:
            try:
                result = connection.execute(f'SELECT * FROM "{event.lower()}"')
                names = [column[0] for column in result.description or ()]
                yield event, [dict(zip(names, row, strict=True)) for row in result.fetchall()]
            except duckdb.Error as error:
                yield event, error
    finally:
        connection.close()


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the modules of one package from their sources."""

    def __init__(self, package: str, sources: dict[str, str]) -> None:
        self._package = package
        self._sources = sources

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return the spec of a module of the package."""
        if name == self._package:
            return importlib.util.spec_from_loader(name, self, is_package=True)
        parent, _, module = name.rpartition(".")
        if parent == self._package and module in self._sources:
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the source of a module."""
        name = (
            "__init__" if module.__name__ == self._package else module.__name__.rpartition(".")[2]
        )
        exec(_compile(self._sources[name], name), module.__dict__)


@cache
def _compile(source: str, name: str) -> CodeType:
    """Compile a source; most modules have the same text in every package of a name."""
    return compile(source, f"{name}.py", "exec", dont_inherit=True)
