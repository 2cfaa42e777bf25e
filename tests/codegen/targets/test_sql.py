"""The SQL views read the log of a run, whatever damaged lines it has."""

import json

import duckdb
import pytest

from codegen.compile import compile_contract
from codegen.diagnostics.findings import Findings
from codegen.targets import sql
from esper._generated.telemetry import emit_telemetry_rejected
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog

PLAIN = {
    "plain": {"levels": ["LOW"], "by_name": {"a": "NaN"}},
    "edges": None,
    "more": [],
    "table": [[1]],
    "grid": None,
}
ALL = {
    "event": "named twice", "count": 1, "odd key *": -5, "old": 1.5, "grown": ["a"], "maybe": True,
    "numbers": {}, "lines": [], "points": {}, "path": None, "level": "HIGH", "color": "RED",
    "code": "AB1", "width": 0.0, "where": None,
}  # fmt: skip
POINT = {"across": "Infinity", "down": None}


SMALL = """
version: 1.0.0
owner: tests
families: {small: {doc: Small.}}
envelope: {doc: A line., fields: {}}
records: {Empty: {doc: Nothing., fields: {}}}
events:
  SAID:
    doc: Said.
    family: small
    payload: SaidPayload
    fields:
      event: {type: str, arg: true, doc: An event.}
      payload_event: {type: bool, arg: true, doc: Another.}
      empty: {type: Empty, arg: true, doc: Nothing.}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "none.jsonl").touch()
    return tmp_path


@pytest.fixture
def ask(folder):
    """Return a function that queries the views of a contract over the log in the folder."""
    with duckdb.connect() as connection:

        def query(generated, question):
            connection.execute(f"SET VARIABLE run_log = '{folder}/log/*.jsonl'")
            connection.execute(generated.read("views.sql"))
            return connection.execute(question).fetchall()

        yield query


def write(folder, *lines):
    text = "".join(f"{line}\n" for line in lines)
    (folder / "log" / "some.jsonl").write_text(text, encoding="utf-8")


def plain_of(payload):
    return all_of({"where": "here"} | payload, event="PLAIN_SAID")


def all_of(payload, **more):
    line = {"num": 0, "event": "ALL_SAID", "v": "2.1.0", "w.h/o": "me", "level": "LOW"}
    return json.dumps(line | {"payload": payload} | more)


def test_views_read_the_log_of_a_run(ours, ask, folder):
    with Hub("run-1", rank=3) as hub:
        hub.attach(RunLog(folder))
        channel = hub.channel(epoch=2)
        emit_telemetry_rejected(channel, event="GONE", field=None, rule="is gone", got="none")
    question = 'SELECT run, rank, epoch, event, payload_event, "rule" FROM telemetry_rejected'
    assert ask(ours, question) == [("run-1", 3, 2, "TELEMETRY_REJECTED", "GONE", "is gone")]


def test_the_greatest_member_is_the_one_with_the_greatest_number(everything, ask, folder):
    write(folder, *(all_of(ALL | {"level": name}) for name in ("HIGH", "MIDDLE", "LOW")))
    assert ask(everything, "SELECT max(payload_level), min(payload_level) FROM all_said") == [
        ("HIGH", "LOW")
    ]


def test_a_condition_on_a_payload_is_not_evaluated_for_other_events(everything, ask, folder):
    write(folder, *[all_of(ALL), plain_of(PLAIN)] * 5000)
    question = (
        """SELECT count(*) FROM plain_said WHERE isnan(plain.by_name['a']) AND "where" = 'here'"""
    )
    assert ask(everything, question) == [(5000,)]


@pytest.mark.parametrize(
    "line", ["no line", "[]", "", plain_of(PLAIN)[:-9], '{"num": 1, "event": null}']
)
def test_a_damaged_line_is_in_no_view_of_an_event(everything, ask, folder, line):
    write(folder, plain_of(PLAIN), line, all_of(ALL), "{")
    assert ask(everything, "SELECT num FROM plain_said") == [(0,)]
    assert ask(everything, "SELECT num FROM all_said") == [(0,)]
    unread = ask(everything, 'SELECT event, payload FROM "_unread"')
    assert unread == [(None, None)] * (1 + bool(line))


@pytest.mark.parametrize(
    ("payload", "column"),
    [
        (PLAIN | {"plain": {"levels": ["NO_LEVEL"], "by_name": {}}}, "plain.levels[1]"),
        (PLAIN | {"table": [["many"]]}, '"table"[1][1]'),
        (PLAIN | {"table": 5}, '"table"'),
        ({"plain": PLAIN["plain"]}, "more"),
        ([], "more"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_null(everything, ask, folder, payload, column):
    line = plain_of(payload) if payload else all_of([], event="PLAIN_SAID")
    write(folder, line)
    assert ask(everything, f"SELECT {column}, num FROM plain_said") == [(None, 0)]


def test_keys_that_old_lines_lack_have_their_missing_value(everything, ask, folder):
    old = {key: ALL[key] for key in ALL if key not in ("grown", "maybe", "numbers")}
    old |= {
        "path": POINT,
        "points": {"p": POINT},
        "lines": [{"begin": POINT, "end": None, "marks": [1]}],
    }
    write(folder, all_of(old))
    question = (
        "SELECT grown, maybe, numbers, path.tag, points['p'].tag, lines[1].begin.tag FROM all_said"
    )
    assert ask(everything, question) == [(["a\"'b"], None, {}, "RED", "RED", "RED")]


@pytest.mark.parametrize("key", ["old", "older", "o~l/d"])
def test_a_value_is_found_under_each_of_its_keys(everything, ask, folder, key):
    payload = {name: ALL[name] for name in ALL if name != "old"} | {key: 2.5}
    write(folder, all_of(payload))
    assert ask(everything, "SELECT old, odd, who FROM all_said") == [(2.5, -5, "me")]


def test_the_envelope_is_found_under_old_keys_too(everything, ask, folder):
    line = json.loads(all_of(ALL))
    del line["num"], line["level"]
    write(folder, json.dumps(line | {"number": 7}))
    assert ask(everything, "SELECT num, level FROM all_said") == [(7, "LOW")]


def test_an_event_without_fields_has_a_view(everything, ask, folder):
    write(folder, all_of({}, event="NOTHING_SAID"))
    assert ask(everything, "SELECT event, who FROM nothing_said") == [("NOTHING_SAID", "me")]


def test_a_view_has_a_comment(everything, ask):
    question = "SELECT comment FROM duckdb_views() WHERE view_name = 'all_said'"
    assert ask(everything, question) == [("Happened with \\ every _detail_ ~there~ is: `a`|`b`.",)]


def test_no_two_columns_are_alike(folder):
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    contract = compile_contract(folder / "small.yaml", "small.yaml", Findings())
    assert contract is not None
    (output,) = sql.render(contract, "small")
    payload = {"event": "x", "payload_event": True, "empty": {}}
    write(folder, json.dumps({"event": "SAID", "v": "1.0.0", "payload": payload}))
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE run_log = '{folder}/log/*.jsonl'")
        connection.execute("".join(chunk.text for chunk in output.chunks))
        found = connection.execute("FROM said")
        columns = [column[0] for column in found.description or ()]
        # DuckDB has no struct without fields, so such a record stays JSON.
        assert dict(zip(columns, found.fetchall()[0], strict=True)) == {
            "event": "SAID",
            "v": "1.0.0",
            "payload_payload_event": "x",
            "payload_event": True,
            "empty": "{}",
        }
