"""The modules that use a contract are recorded in a file next to it, for the reference."""

import json
import shutil

import pytest

from codegen.__main__ import main
from codegen.contract.users import Users
from codegen.coverage.users import compare_users
from codegen.diagnostics.findings import Findings


@pytest.fixture
def record(shop, tmp_path):
    """Return a function that runs coverage on a copy of the shop's contract, and the path of its users file."""
    spec = shutil.copy(shop.folder / "shop.yaml", tmp_path)
    return (
        lambda *arguments: shop.codegen("coverage", *arguments, spec=spec),
        tmp_path / "shop.users.json",
    )


def test_the_modules_that_emit_and_read_are_recorded(record):
    run, path = record

    assert run("--record")[0] == 0

    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["emitters"]["ORDER_PLACED"] == ["shop.counter"]
    assert found["readers"]["PARCEL_SENT.by_annotation"] == ["shop.readers"]
    assert "ORDER_LOST" not in found["emitters"]
    assert "PARCEL_SENT.by_name" not in found["readers"]


def test_an_unchanged_record_is_not_written_again(record):
    run, _ = record

    assert "wrote" in run("--record")[1]
    assert run("--record")[1] == ""


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"emitters": {}}',
        '{"emitters": [], "readers": {}}',
        '{"emitters": {}, "readers": {"A": [1]}}',
    ],
)
def test_a_damaged_record_is_refused_and_kept(record, text):
    run, path = record
    path.write_text(text)

    code, _, err = run()

    assert code == 2
    assert err.startswith(
        "codegen: shop.users.json must have the form that `coverage --record` writes, got "
    )
    assert err.endswith("; run that again\n")
    assert path.read_text() == text


def test_a_damaged_record_can_be_recorded_again(record):
    run, path = record
    path.write_text("{")

    assert run("--record")[0] == 0

    assert json.loads(path.read_text(encoding="utf-8"))["emitters"]


def test_users_cannot_be_recorded_from_a_log(capsys):
    assert main(["coverage", "--record", "--log", "runs/any"]) == 2
    assert "--record is about the code" in capsys.readouterr().err


def test_differences_between_record_and_code_are_findings():
    recorded = Users(emitters={"A": ("one",)}, readers={"A.x": ("one", "two"), "A.y": ("one",)})
    found = Users(emitters={"A": ("one",)}, readers={"A.x": ("two",), "A.z": ("one",)})
    findings = Findings()

    compare_users(recorded, found, "specs/telemetry.users.json", "run: make codegen", findings)

    assert [(one.rule, one.message, one.hint) for one in findings] == [
        ("COV018", "A.x is read in two, recorded in one, two", "run: make codegen"),
        ("COV018", "A.y is read nowhere, recorded in one", "run: make codegen"),
        ("COV018", "A.z is read in one, recorded nowhere", "run: make codegen"),
    ]


def test_our_own_record_and_the_reference_are_up_to_date(capsys):
    assert main(["coverage"]) == 0, capsys.readouterr().out

    assert main(["check", "--target", "markdown"]) == 0
