"""Every reader of a contract reads what a later minor version of it wrote.

The later version adds an event, fields at every level and members of enums, and widens ranges, lengths and patterns. Its
generated code writes the lines, and all readers of the earlier version read them.
"""

import json
import shutil
import subprocess
from collections import Counter

import duckdb
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import data, lists
from jsonschema import Draft202012Validator

from tests.codegen.targets.agreement import open_views, to_row
from tests.codegen.targets.conftest import EVERYTHING, generate

ADDITIONS = (
    ("version: 2.1.0", "version: 2.2.0"),
    ("      LOW: {value: 1,", "      HIGHEST: {value: 10, doc: Most.}\n      LOW: {value: 1,"),
    ("      RED: {value: 0,", "      BLUE: {value: 2, doc: Blue.}\n      RED: {value: 0,"),
    # In the envelope, the context, records, and payloads.
    ("    level: {type: Level, missing", "    shard: {type: int, unit: \"1\", missing: 0, doc: Part.}\n    level: {type: Level, missing"),
    ("  where: {type: str", "  area: {type: Level, default: HIGHEST, missing: LOW, place: payload, doc: Area.}\n  where: {type: str"),
    ("context: [where]", "context: [where, area]"),
    ("      down: {type: float", "      up: {type: \"Point2[]\", missing: [], doc: Up.}\n      down: {type: float"),
    ("  Line2:\n", "  Point2: {doc: A point., fields: {x: {type: float, unit: ms, doc: X.}}}\n  Line2:\n"),
    ("      levels: {type:", "      mood: {type: str, missing: good, doc: Mood.}\n      levels: {type:"),
    ("      count: {type: int, unit: \"1\", arg: true", "      payload_num: {type: str, missing: \"\", arg: true, doc: New.}\n      count: {type: int, unit: \"1\", arg: true"),
    ("  ONCE_SAID:\n", "  LATER_SAID:\n    doc: Happens now.\n    family: things\n    payload: LaterSaidPayload\n    fields: {why: {type: Point, arg: true, doc: Why.}}\n  ONCE_SAID:\n"),
    # Widened.
    ("range: [-5, -5]", "range: [-6, 5]"),
    ("length: [1, null], arg: true", "arg: true"),
    ("range: [null, 7], length: [1, 3], doc: Marks.", "range: [null, 9], length: [0, 5], doc: Marks."),
    ("range: [-1.5, 100], doc: A number.", "doc: A number."),
    ("pattern: \"[A-Z]{2}[0-9]+|x\\\\|y\", length: [3, 6], doc", "pattern: \"[A-Za-z0-9|]{3,8}\", doc"),
)  # fmt: skip
"""The changes of the text of `everything.yaml` that make the later version."""

RARE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="session")
def later(tmp_path_factory):
    """The same contract in its next minor version, and its generated files."""
    folder = tmp_path_factory.mktemp("later")
    text = EVERYTHING.read_text(encoding="utf-8")
    for old, new in ADDITIONS:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "later.yaml").write_text(text, encoding="utf-8")
    with generate(folder / "later.yaml", folder, "later") as generated:
        yield generated


@pytest.fixture(scope="session")
def lines(later):
    """A strategy for some lines that the later version writes: envelope and payload of each, and the encoded line."""
    line = later.strategies.LINES.map(lambda one: (*one, later.codec.encode_line(*one)))
    return lists(line, min_size=1, max_size=12)


def find_event(everything, event):
    return event in {one.name for one in everything.contract.events}


@RARE
@given(drawn=data())
def test_the_codec_reads_them(everything, lines, drawn):
    from everything.strict import read_line
    from everything.unknown import UnknownPayload

    for envelope, _, line in drawn.draw(lines):
        read, payload, unknown = everything.codec.inspect_line(line)
        assert (read.num, read.event, read.v) == (envelope.num, envelope.event, "2.2.0")
        assert repr(read_line(line)) == repr((read, payload, unknown))
        assert ("field", "line.shard") in unknown
        if type(payload) is UnknownPayload:
            assert payload.data == json.loads(line)["payload"]
            assert {one.kind for one in unknown} & {"event", "member", "value"}
        else:
            assert envelope.event == payload.EVENT


@RARE
@given(drawn=data())
def test_the_views_read_them(everything, lines, drawn, tmp_path_factory):
    log = tmp_path_factory.mktemp("views") / "0.jsonl"
    written = drawn.draw(lines)
    log.write_bytes(b"".join(line for *_, line in written))
    with open_views(everything, log) as views:
        for event, number in Counter(envelope.event for envelope, *_ in written).items():
            view = event.lower() if find_event(everything, event) else "_unread"
            # All columns are read, so that a cast that fails is noticed.
            assert len(views.sql(f"FROM \"{view}\" WHERE event = '{event}'").fetchall()) == number


@RARE
@given(drawn=data())
def test_the_readers_schema_allows_them_and_the_writers_schema_does_not(everything, lines, drawn):
    readers = Draft202012Validator(everything.reader_schema)
    writers = Draft202012Validator(everything.schema)
    for *_, line in drawn.draw(lines):
        readers.validate(json.loads(line))
        assert not writers.is_valid(json.loads(line))


@RARE
@given(drawn=data())
def test_the_arrow_schemas_fit_tables_of_them(everything, later, lines, drawn):
    for envelope, payload, _ in drawn.draw(lines):
        if find_event(everything, envelope.event):
            rows = [to_row(envelope, payload)]
            table = pyarrow.Table.from_pylist(rows, schema=later.schema_of(envelope.event))
            fitted = everything.fit_table(envelope.event, table)
            assert fitted.schema.equals(everything.schema_of(envelope.event))
            assert fitted["num"].to_pylist() == [envelope.num]


READ = """
import { isKnown, parseLine, type Level } from "./telemetry";

for (const text of require("fs").readFileSync(0, "utf-8").split("\\n").filter(Boolean)) {
  const line = parseLine(text);
  if (!isKnown(line)) {
    console.log(line.event, line.payload["why"] !== undefined);
  } else if (line.event === "ALL_SAID") {
    const level: Level | null = line.payload.level;
    console.log(line.event, level);
  }
}
"""


@pytest.mark.skipif(not (shutil.which("tsc") and shutil.which("node")), reason="needs tsc and node")
def test_typescript_reads_them(everything, later, tmp_path):
    shutil.copy(everything.layout.roots["package"] / "telemetry.ts", tmp_path)
    (tmp_path / "read.ts").write_text(f"declare const require: any;\n{READ}", encoding="utf-8")
    options = ["--strict", "--target", "es2020", "--module", "commonjs"]
    compiled = subprocess.run(
        ["tsc", *options, "read.ts"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stdout
    envelope = {"num": 1, "level": "HIGHEST", "w.h/o": "me", "shard": 3, "v": "2.2.0"}
    said = envelope | {"event": "LATER_SAID", "payload": {"why": {}}}
    all_said = envelope | {"event": "ALL_SAID", "payload": {"level": "HIGHEST", "new": 1}}
    ran = subprocess.run(
        ["node", "read.js"],
        cwd=tmp_path,
        input=f"{json.dumps(said)}\n{json.dumps(all_said)}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "LATER_SAID true\nALL_SAID HIGHEST\n"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"payload": {"mood": "good"}}, [("field", "PLAIN_SAID.mood")]),
        ({"mood": "good"}, [("field", "line.mood")]),
        ({"event": "LATER_SAID"}, [("event", "LATER_SAID")]),
        ({"level": "HIGHEST"}, [("member", "Level.HIGHEST")]),
        ({"num": -1}, [("value", "line.num")]),
        ({"payload": {"plain": {"levels": ["HIGHEST"], "by_name": {}}}}, [("member", "Level.HIGHEST")]),
        ({"payload": {"plain": {"levels": [], "by_name": {}, "x": 1}}}, [("field", "Plain.x")]),
        ({"payload": {"edges": {"name": "long and wide", "code": "AB1", "count": 1, "share": 0, "marks": [1]}}}, [("value", "Edges.name")]),
        ({"payload": {"edges": {"name": "ab", "code": "other", "count": 1, "share": 0, "marks": [1]}}}, [("value", "Edges.code")]),
        ({"payload": {"edges": {"name": "ab", "code": "AB1", "count": 1, "share": 200, "marks": [9, 9]}}}, [("value", "Edges.share")]),
    ],
)  # fmt: skip
def test_additions_are_named_and_only_a_later_version_may_have_them(everything, change, names):
    payload = {"plain": {"levels": [], "by_name": {}}, "edges": None, "more": [], "table": [], "grid": None, "where": None}  # fmt: skip
    line = {"num": 0, "level": "LOW", "w.h/o": "me", "event": "PLAIN_SAID", "v": "2.1.1"}
    line |= change | {"payload": payload | change.get("payload", {})}

    envelope, payload, unknown = everything.codec.inspect_line(json.dumps(line).encode())

    assert [tuple(one) for one in unknown] == names
    assert (envelope.num, envelope.event) == (line["num"], line["event"])
    is_aside = type(payload).__name__ == "UnknownPayload"
    in_payload = {
        kind for kind, name in names if not name.startswith("line.") and "level" not in change
    }
    assert is_aside == bool(in_payload & {"event", "member", "value"})
    if names:
        with pytest.raises(everything.error):
            everything.codec.decode_line(json.dumps(line | {"v": "2.1.0"}).encode())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"table": "many"}, "table must be a list"),
        ({"table": [["many"]]}, r"table\[0\]\[0\] must be an int"),
        ({"table": None}, "table must not be null"),
        ({"grid": {"a": [None]}}, "must be one of RED, GREEN, got None"),
        (
            {"plain": {"levels": ["no member"], "by_name": {}}},
            "must be the name of a member of Level",
        ),
        ({"plain": {"by_name": {}}}, "levels must be there"),
        ({"more": {}}, "more must be a list"),
    ],
)
def test_a_later_minor_version_must_keep_types_and_required_fields(everything, change, complaint):
    payload = {"plain": {"levels": [], "by_name": {}}, "edges": None, "more": [], "table": [], "grid": None, "where": None}  # fmt: skip
    line = {"num": 0, "level": "LOW", "w.h/o": "me", "event": "PLAIN_SAID", "v": "2.9.0"}

    with pytest.raises(everything.error, match=complaint):
        everything.codec.decode_line(json.dumps(line | {"payload": payload | change}).encode())


def test_a_damaged_line_does_not_hide_the_others(everything, tmp_path):
    log = tmp_path / "0.jsonl"
    line = {"num": 0, "level": "HIGHEST", "w.h/o": "me", "event": "NOTHING_SAID", "v": "2.9.0"}
    whole = json.dumps(line | {"payload": {"new": 1}})
    log.write_text(f"{whole}\n\0\0\n{whole[:40]}\n{whole}\n{whole[:50]}", encoding="utf-8")
    with open_views(everything, log) as views:
        assert views.sql("SELECT num, level FROM nothing_said").fetchall() == [(0, None)] * 2
        assert views.sql('SELECT event FROM "_unread"').fetchall() == [(None,)] * 3
        assert isinstance(views, duckdb.DuckDBPyConnection)


def test_an_unknown_member_of_an_open_enum_is_named_and_kept_in_its_place(everything):
    payload = {"plain": {"levels": [], "by_name": {}}, "edges": None, "more": [], "table": [], "grid": {"a": ["BLUE"]}, "where": None}  # fmt: skip
    line = {"num": 0, "level": "LOW", "w.h/o": "me", "event": "PLAIN_SAID", "v": "2.1.1"} | {"payload": payload}  # fmt: skip

    _, read, unknown = everything.codec.inspect_line(json.dumps(line).encode())

    assert [tuple(one) for one in unknown] == [("member", "Color.BLUE")]
    assert [color.name for color in read.grid["a"]] == ["BLUE"]
