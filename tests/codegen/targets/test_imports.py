"""A generated package imports little: the modules of a family are imported when its events are first used."""

import ast
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from unittest.mock import ANY

import pytest

from codegen.compile import compile_contract
from codegen.diagnostics.errors import GateError
from codegen.diagnostics.findings import Findings
from codegen.output.gate import Gate
from codegen.targets.python import render
from codegen.targets.target import Output
from tests.codegen.tiny import tiny

TWO_FAMILIES = tiny().replace(
    "families: {main: {doc: Everything.}}",
    "families: {main: {doc: Everything.}, other: {doc: More.}}",
) + (
    "  CALL:\n    doc: A call.\n    family: other\n    payload: CallPayload\n    fields:\n"
    "      number: {type: int, unit: '1', arg: true, doc: A number.}\n"
)
LINE = '{"seq":1,"event":"PING","v":"1.2.0","payload":{"note":"a"}}'


@pytest.fixture
def package(project):
    """Return the names of the package `pings`, which has two families, as an object."""
    project.generate(TWO_FAMILIES)
    return __import__("pings")


def run(project, code):
    """Run Python in a new process in the folder of the package; return what it prints as JSON."""
    report = (
        "\nimport json, sys\nprint(json.dumps([m for m in sys.modules if m.startswith('pings.')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_only_the_modules_of_events_in_use_are_imported(package, project):
    assert run(project, "import pings") == {"pings.lazy"}
    emits = run(project, "from pings import emit_ping")
    assert "pings.main" in emits
    assert not {"pings.main_wire", "pings.other", "pings.codec"} & emits
    reads = run(project, f"import pings; pings.decode_line({LINE!r}.encode())")
    assert {"pings.main", "pings.main_wire"} <= reads
    assert not {"pings.other", "pings.other_wire", "pings.fields", "pings.strict"} & reads


def test_all_events_can_be_imported_beforehand(package, project):
    loaded = run(project, "import pings; pings.preload_events()")
    assert {"pings.main_wire", "pings.other_wire"} <= loaded


def test_a_star_import_has_every_name(package):
    names = {}
    exec("from pings import *", names)
    assert names.keys() >= set(package.__all__)
    assert dir(package) == sorted(package.__all__)


def test_a_name_that_the_package_lacks_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="module pings has no attribute emit_pong"):
        package.emit_pong  # noqa: B018 - the look-up is what is tested


def test_the_events_of_the_registry_are_a_mapping(package):
    assert list(package.EVENTS) == ["PING", "CALL"]
    assert len(package.EVENTS) == 2
    assert "PONG" not in package.EVENTS
    assert dict(package.EVENTS) == {"PING": package.PingPayload, "CALL": package.CallPayload}
    with pytest.raises(KeyError, match="PONG"):
        package.EVENTS["PONG"]


def test_only_payloads_of_the_contract_are_encoded(package):
    class PingPayload(package.Payload):
        EVENT = "PING"

    for payload in (PingPayload(), package.UnknownPayload(event="PONG", data={})):
        with pytest.raises(KeyError):
            package.encode_payload(payload)


def test_payloads_compare_print_and_copy_as_dataclasses_do(package):
    @dataclass(frozen=True, slots=True, kw_only=True)
    class PingPayload:
        note: str

    ping, twin = package.PingPayload(note="a"), PingPayload(note="a")
    assert repr(ping) == repr(twin).rpartition(".")[2]
    assert hash(ping) == hash(twin)
    assert ping == package.PingPayload(note="a") != package.PingPayload(note="b")
    assert ping != twin
    assert ping == ANY
    assert replace(ping, note="b").note == "b"
    assert [one.name for one in fields(ping)] == ["note"]
    assert pickle.loads(pickle.dumps(ping)) == ping
    with pytest.raises(AttributeError, match="cannot assign to field"):
        ping.note = "b"


def test_payloads_without_fields_are_equal(project):
    project.generate(tiny().replace("note: {type: str, arg: true, doc: A note.}", "{}"))
    payload = project.load("main").PingPayload
    assert payload() == payload()
    assert repr(payload()) == "PingPayload()"


@pytest.mark.parametrize(
    ("path", "old", "new", "complaint"),
    [
        ("__init__.py", "if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    import os\n", "imports os"),
        ("__init__.py", "if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    x = 1\n", "contains Assign"),
        ("__init__.py", "\n_HOMES", "\nif 1:\n    pass\n_HOMES", "contains If"),
        ("__init__.py", "= import_name(_", "= open(_", "mentions open"),
        ("__init__.py", "    def __getattr__", "    def other", "too much or too little: other"),
        ("main.py", "_PingDraft = draft_of(", "_PingDraft = getattr(", "mentions getattr"),
        ("codec.py", "import_name(_M", "import_module(_M", "mentions import_module"),
    ],
)
def test_the_gate_holds_lazy_imports_to_their_place(tmp_path, path, old, new, complaint):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(tiny())
    contract = compile_contract(spec, "tiny.yaml", Findings())
    (output,) = [one for one in render(contract, "pings") if one.path == path]
    assert old in output.body
    changed = [type(one)(one.key, one.text.replace(old, new, 1)) for one in output.chunks[1:]]
    with pytest.raises(GateError, match=complaint):
        Gate(contract, "pings").check(Output(path, (output.chunks[0], *changed)))


def test_type_checkers_see_the_names_that_are_imported_on_use(package, project):
    tree = ast.parse((project.package / "__init__.py").read_text())
    (guarded,) = [one for one in tree.body if isinstance(one, ast.If) and not one.orelse][:1]
    seen = {alias.name for one in guarded.body for alias in one.names}
    assert seen == set(package.__all__)
