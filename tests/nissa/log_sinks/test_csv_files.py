"""The sink `csv` keeps the promises of log sinks, and its files are what Python, DuckDB and a spreadsheet expect."""

import csv

import pytest

from esper._generated.fields import EVENT_FIELDS
from esper._generated.registry import EVENTS
from esper.leyline.errors import LogError, UsageError
from esper.nissa.log_sinks.csv_files import CsvSink
from esper.nissa.shipping.log_sink import ShippedRun
from esper.testing.sample_events import make_every_event, make_series
from esper.testing.sink_contract import SinkContract


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


class TestCsvSink(SinkContract):
    sink_class = CsvSink

    def read_back(self, run):
        path = run.folder / "csv" / "METRICS_LOGGED.csv"
        rows = rows_of(path) if path.exists() else []
        return ["/".join(row[name] for name in ("run", "rank", "boot", "seq")) for row in rows]


@pytest.fixture
def run(tmp_path):
    return ShippedRun(run_id="run", folder=tmp_path)


def write(run, events, state=None):
    sink = CsvSink()
    sink.open(run, state)
    sink.write(events)
    state = sink.commit()
    sink.close()
    return state


def test_each_event_has_a_file_with_a_column_for_each_field(run):
    write(run, make_every_event())

    assert {path.stem for path in (run.folder / "csv").glob("*.csv")} == set(EVENTS)
    for event, declared in EVENT_FIELDS.items():
        for row in rows_of(run.folder / "csv" / f"{event}.csv"):
            names = {one.name for one in declared}
            assert names - {"event"} <= {name.removeprefix("payload_") for name in row}
            assert None not in row


def test_no_text_is_a_formula(run):
    write(run, make_every_event())

    cells = [
        cell
        for path in (run.folder / "csv").glob("*.csv")
        for row in rows_of(path)
        for cell in row.values()
    ]
    assert [
        cell for cell in cells if cell.startswith(tuple("=+@-\t\r")) and cell != "-Infinity"
    ] == []
    assert [cell for cell in cells if cell.startswith("'=1+1")]


def test_null_is_empty_and_lists_are_json(run):
    write(run, make_every_event())

    first, second = rows_of(run.folder / "csv" / "LOOP_STARTED.csv")
    assert (first["seed"], first["slot_ids"]) == ("", "[]")
    assert second["slot_ids"].startswith('["')


def test_duckdb_reads_the_values(run):
    duckdb = pytest.importorskip("duckdb")
    write(run, make_series(50))
    path = run.folder / "csv" / "METRICS_LOGGED.csv"

    (found,) = duckdb.sql(
        f"SELECT count(*), sum(step), min(t_wall_ns) > 0 FROM '{path}'"
    ).fetchall()

    assert found == (50, sum(range(50)), True)


def test_columns_of_another_version_get_a_file_of_their_own(run):
    path = run.folder / "csv" / "METRICS_LOGGED.csv"
    state = write(run, make_series(2))
    path.write_text(path.read_text().replace("num_left_out", "num_gone"))
    state = {"sizes": {"METRICS_LOGGED.csv": path.stat().st_size}}

    write(run, make_series(2, first_seq=2), state)

    assert len(rows_of(path)) == len(rows_of(path.with_name("METRICS_LOGGED-2.csv"))) == 2


def test_files_of_somebody_else_are_not_touched(tmp_path):
    (tmp_path / "run").mkdir()
    other = tmp_path / "run" / "mine.csv"
    other.write_text("a\n")
    run = ShippedRun(run_id="run", folder=tmp_path / "runs" / "run", argument=str(tmp_path))

    with pytest.raises(UsageError, match=r"must be empty, .* but it holds mine.csv"):
        CsvSink().open(run, None)
    assert not CsvSink().clear(run)
    assert other.read_text() == "a\n"


def test_two_runs_in_one_folder_do_not_meet(tmp_path):
    for run_id in ("one", "two"):
        run = ShippedRun(run_id=run_id, folder=tmp_path / run_id, argument=str(tmp_path / "out"))
        write(run, make_series(3, run_id=run_id))

    assert len(list((tmp_path / "out").glob("*/METRICS_LOGGED.csv"))) == 2


def test_a_file_that_was_cut_is_refused(run):
    state = write(run, make_series(3))
    (run.folder / "csv" / "METRICS_LOGGED.csv").write_text("")

    with pytest.raises(LogError, match="to write everything again"):
        CsvSink().open(run, state)
