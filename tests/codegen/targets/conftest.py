"""Two contracts and their generated files: our own, and one that uses every feature."""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow
import pytest

from codegen.compile import compile_contract
from codegen.contract.model import Contract
from codegen.diagnostics.findings import Findings
from codegen.output.layout import Layout, Settings, our_layout
from codegen.output.render import render

EVERYTHING = Path(__file__).parent / "everything.yaml"


@dataclass(frozen=True)
class Generated:
    """A contract and its generated files, which can be imported and read."""

    layout: Layout
    tests_package: str

    @cached_property
    def contract(self) -> Contract:
        findings = Findings()
        contract = compile_contract(self.layout.spec, self.layout.spec_name, findings)
        assert contract is not None, list(findings)
        assert not findings.has_errors, list(findings)
        return contract

    @cached_property
    def codec(self) -> ModuleType:
        return importlib.import_module(f"{self.layout.package}.codec")

    @cached_property
    def error(self) -> type[Exception]:
        module = importlib.import_module(f"{self.layout.package}.checks")
        error: type[Exception] = module.ContractError
        return error

    @cached_property
    def strategies(self) -> ModuleType:
        return importlib.import_module(f"{self.tests_package}.strategies")

    @cached_property
    def arrow(self) -> ModuleType:
        # Our own package has the schemas, because exports use them.
        is_ours = "arrow" in self.layout.roots
        package = self.layout.package if is_ours else self.tests_package
        return importlib.import_module(f"{package}.arrow_schemas")

    def schema_of(self, event: str) -> pyarrow.Schema:
        """Return the Arrow schema of an event's table."""
        return self.arrow.EVENT_SCHEMAS[event]

    def fit_table(self, event: str, table: pyarrow.Table) -> pyarrow.Table:
        """Convert a table of an event to its Arrow schema."""
        return self.arrow.fit_table(event, table)

    @cached_property
    def schema(self) -> dict[str, Any]:
        return dict(json.loads(self.read("telemetry.schema.json")))

    @cached_property
    def reader_schema(self) -> dict[str, Any]:
        return dict(json.loads(self.read("telemetry.reader.schema.json")))

    def read(self, name: str) -> str:
        return (self.layout.roots["package"] / name).read_text(encoding="utf-8")

    @cached_property
    def reference(self) -> str:
        return (self.layout.roots["docs"] / "telemetry.md").read_text(encoding="utf-8")


@contextmanager
def generate(spec: Path, folder: Path, package: str) -> Iterator[Generated]:
    """Generate all targets of a contract; the package can be imported inside the context."""
    layout = Layout(
        spec=spec,
        spec_name=spec.name,
        package=package,
        roots={
            "package": folder / package,
            "docs": folder / "docs",
            "tests": folder / f"{package}_tests",
        },
        command="make codegen",
    )
    generated = Generated(layout, f"{package}_tests")
    for file in render(generated.contract, layout, Settings(is_formatted=False)):
        file.path.parent.mkdir(exist_ok=True)
        file.path.write_text(file.text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield generated


@pytest.fixture(scope="session")
def ours() -> Generated:
    return Generated(our_layout(), "tests._generated")


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    with generate(EVERYTHING, tmp_path_factory.mktemp("everything"), "everything") as generated:
        yield generated


@pytest.fixture(scope="session", params=["ours", "everything"])
def generated(request: pytest.FixtureRequest) -> Generated:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Generated)
    return found
