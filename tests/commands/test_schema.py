"""`esper schema`: what the commands print with --json is valid against the schema that is made from its types."""

import json
from pathlib import Path

import jsonschema
import pytest

from esper.cli import main
from esper.commands.schema import _TYPES, view_schema
from esper.karn.run import read_story
from esper.karn.summary_json import as_dict
from tests.karn.example_run import write_example_run
from tests.karn.made_run import write_run
from tests.karn.missing_fields import SOME_FIELDS, write_without

GOLDEN = Path(__file__).parents[1] / "golden" / "runs"
COMMANDS = {
    "summary": ["summary", "a"],
    "explain": ["explain", "a"],
    "report": ["report", "a", "b", "c"],
    "compare": ["compare", "a", "b", "c"],
    "runs": ["runs", "--run-dir", "."],
    "watch": ["watch", "a"],
    "tail": ["tail", "a", "-n", "1"],
    "query": ["query", "select * from seeds", "--run", "a"],
    "lint-log": ["lint-log", "broken", "--salvage", "copy"],
    "tasks": ["tasks"],
    "blueprints": ["blueprints"],
    "policies": ["policies"],
    "schema": ["schema"],
}


def errors(view, value):
    validator = jsonschema.Draft202012Validator(view_schema(view))
    return [f"{list(one.absolute_path)}: {one.message}" for one in validator.iter_errors(value)]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_example_run("a")
    write_run("b", epochs=3)
    write_run("c", epochs=3, val=lambda epoch: float("nan"), end=False)
    file = write_run("broken", epochs=3) / "log" / "0-a1-0000.jsonl"
    file.write_bytes(file.read_bytes() + b'{}\n{"seq"')


@pytest.mark.parametrize("view", _TYPES)
def test_output_is_valid_against_its_schema(view, runs, capsys):
    if view == "query":
        pytest.importorskip("duckdb", reason="the extra sql is not installed")
    assert main([*COMMANDS[view], "--json"]) in (0, 1)
    printed = json.loads(capsys.readouterr().out)

    assert main(["schema", view]) == 0
    schema = json.loads(capsys.readouterr().out)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert errors(view, printed) == []
    # A schema that everything is valid against would say nothing.
    assert errors(view, {"no": "such key"}) != []


@pytest.mark.parametrize("view", ["summary", "explain", "watch"])
@pytest.mark.parametrize("folder", ["resumed", "torn"])
def test_recorded_runs_are_valid_against_the_schemas(view, folder, capsys):
    assert main([view, str(GOLDEN / folder), "--json"]) == 0

    assert errors(view, json.loads(capsys.readouterr().out)) == []


@pytest.mark.parametrize("field", SOME_FIELDS[::2])
def test_a_field_that_a_log_lacks_is_null(field, tmp_path):
    story = read_story(write_without(tmp_path, field))

    found = errors("summary", {**as_dict(story), "tags": {}})

    # A field of a record in an event that a view shows is null, too.
    assert found == []


def test_descriptions_and_units_come_from_the_contract():
    definitions = view_schema("summary")["$defs"]

    low = definitions["SeedEvidence"]["properties"]["low"]
    assert (low["unit"], "interval" in low["description"].lower()) == ("nats", True)
    assert "epoch" in definitions["GovernorRollbackPayloadEvent"]["properties"]


def test_the_list_names_every_view(capsys):
    assert main(["schema"]) == 0

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(_TYPES)
