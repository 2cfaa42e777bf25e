"""The log of every released contract is read by every reader and every sink, through the upcasters.

`specs/history/VERSION.jsonl` holds lines of every event as that version wrote them.
"""

import json
from pathlib import Path

import pytest

from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS
from esper._generated.registry import VERSION
from esper.cli import main
from esper.karn.run import read_story
from esper.leyline.errors import MissingExtraError
from esper.nissa.exporting.dataset import open_dataset
from esper.nissa.exporting.export import check_reveal, export_run
from esper.nissa.exporting.formats import FORMATS
from esper.nissa.hub import Hub
from esper.nissa.reader import read_run
from esper.nissa.run_edges import read_edges
from esper.nissa.shipping.carrier import Carrier
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import ShippedRun
from esper.nissa.shipping.registry import BUILT_IN, check_installed, load_sink
from esper.telemetry import VIEWS_PATH

HISTORY = Path(__file__).parents[1] / "specs" / "history"
RELEASES = sorted(path.stem for path in HISTORY.glob("*.json"))


@pytest.fixture(params=RELEASES)
def run(request, tmp_path):
    """Return the folder of a run that one process has written, with the lines of a release, and their number."""
    folder = tmp_path / "old-run"
    (folder / "log").mkdir(parents=True)
    lines = (HISTORY / f"{request.param}.jsonl").read_text(encoding="utf-8").splitlines()
    with (folder / "log" / "0-00f1-0000.jsonl").open("w", encoding="utf-8") as file:
        for seq, line in enumerate(lines):
            event = json.loads(line)
            assert event["v"] == request.param
            same_writer = {"seq": seq, "run": folder.name, "rank": 0, "boot": "00f1"}
            written = json.dumps(event | same_writer, ensure_ascii=False, separators=(",", ":"))
            file.write(f"{written}\n")
    return folder, len(lines)


def test_every_release_has_a_log():
    assert RELEASES
    assert all((HISTORY / f"{release}.jsonl").exists() for release in RELEASES)


def test_the_reader_gives_every_event_in_its_present_form(run):
    folder, num_lines = run
    events = read_run(folder)
    read = list(events)

    assert (len(read), events.num_damaged, events.num_gaps) == (num_lines, 0, 0)
    for envelope, payload in read:
        assert type(payload).__name__ != "UnknownPayload"
        for field in EVENT_FIELDS[envelope.event]:
            getattr(payload, field.name)


def test_stories_edges_and_commands_read_it(run, capsys):
    folder, num_lines = run
    assert read_edges(folder).first[0].v != VERSION
    assert read_story(folder).folder == folder

    for command in (
        ["summary", str(folder)],
        ["summary", str(folder), "--json"],
        ["runs", "--run-dir", str(folder.parent)],
        ["lint-log", str(folder)],
    ):
        assert main(command) == 0, command
    capsys.readouterr()
    assert main(["tail", str(folder), "--json", "-n", "-1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == num_lines


def test_sql_reads_it(run):
    duckdb = pytest.importorskip("duckdb")
    folder, num_lines = run
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE run_log = '{folder}/log/*.jsonl'")
        connection.execute(VIEWS_PATH.read_text(encoding="utf-8"))
        count = "SELECT count(*) FROM"
        (found,) = connection.execute(f'{count} "_lines"').fetchone()
        (unread,) = connection.execute(f'{count} "_unread"').fetchone()

    assert (found, unread) == (num_lines, 0)


def test_sql_views_have_the_values_that_the_reader_gives(run):
    duckdb = pytest.importorskip("duckdb")
    folder, _ = run
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE run_log = '{folder}/log/*.jsonl'")
        connection.execute(VIEWS_PATH.read_text(encoding="utf-8"))
        for event, rows in rows_of(folder).items():
            found = connection.execute(f"FROM {event.lower()} ORDER BY seq").fetchall()
            names = [column[0] for column in connection.description]
            compare(found, names, rows, event)


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_every_format_of_the_export_takes_it(format_name, run, tmp_path):
    pytest.importorskip("pyarrow")
    folder, num_lines = run
    dataset = open_dataset(tmp_path / "out", FORMATS[format_name])

    result = export_run(folder, dataset)

    assert (result.num_added, result.num_damaged, result.unknown) == (num_lines, 0, {})
    assert export_run(folder, dataset).num_added == 0


def test_an_export_has_the_values_that_the_reader_gives(run, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    folder, _ = run
    dataset = open_dataset(tmp_path / "out", FORMATS["parquet"])
    declared = (EVENT_FIELDS | RECORD_FIELDS).items()
    sensitive = [f"{owner}.{one.name}" for owner, all_ in declared for one in all_ if one.sensitive]
    export_run(folder, dataset, reveal=check_reveal(sensitive))

    for event, rows in rows_of(folder).items():
        files = dataset.folder / f"event={event}" / "**" / "*.parquet"
        table = duckdb.sql(f"FROM read_parquet('{files}') ORDER BY seq")
        compare(table.fetchall(), table.columns, rows, event)


def rows_of(folder):
    """Return the rows of each event, as the reader gives them."""
    # Here, because it needs packages that the environments of the sinks lack.
    from tests.codegen.targets.agreement import to_row

    rows = {}
    for envelope, payload in read_run(folder):
        rows.setdefault(envelope.event, []).append(to_row(envelope, payload))
    return rows


def compare(found, names, rows, event):
    """Compare rows of an engine with those of the reader; NaN equals NaN."""
    assert len(found) == len(rows), event
    for values, row in zip(found, rows, strict=True):
        by_name = dict(zip(names, values, strict=True))
        for name, expected in row.items():
            got = str(by_name[name]) if name == "rank" else by_name[name]
            wanted = str(expected) if name == "rank" else expected
            assert repr(got) == repr(wanted), f"{event}.{name}"


@pytest.fixture
def collector(monkeypatch):
    # It needs packages that the default environment lacks.
    from tests.nissa.log_sinks.otlp_collector import Collector

    monkeypatch.setenv("no_proxy", "*")
    collector = Collector()
    yield collector
    collector.close()
    assert collector.spans()


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_sink_takes_it(name, run, request):
    folder, num_lines = run
    sink_class = load_sink(name)
    try:
        check_installed(sink_class, name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    argument = request.getfixturevalue("collector").url if name == "otlp" else ""
    target = ShippedRun(run_id=folder.name, folder=folder, argument=argument)
    config = ShipConfig(first_delay_s=0.0, max_delay_s=0.0, max_failures=1)
    counts = []
    with Hub(folder.name) as hub:
        carrier = Carrier(
            target,
            name,
            sink_class,
            config,
            channel=hub.channel(),
            follow=False,
            beat=counts.append,
        )
        assert carrier.carry()

    assert counts[-1].num_written == num_lines
    assert (counts[-1].num_damaged, counts[-1].num_failures) == (0, 0)
