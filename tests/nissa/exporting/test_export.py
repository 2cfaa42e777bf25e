"""An exported dataset has every event of a run once, whatever happened in between, and common engines read it."""

import json
import math
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet
import pytest

from esper._generated.arrow_schemas import EVENT_SCHEMAS
from esper.leyline.errors import LogError, RunNotFoundError, UsageError
from esper.nissa.exporting import compaction, export
from esper.nissa.exporting.compaction import find_mergeable
from esper.nissa.exporting.dataset import Dataset, open_dataset
from esper.nissa.exporting.export import check_reveal, export_run
from esper.nissa.exporting.formats import FORMATS, PARTITION_KEYS
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.rewind import rewind
from tests.codegen.targets.agreement import to_row
from tests.nissa.sample_events import emit_epoch, emit_germination, emit_start, emit_whole_run

RECORDED = Path(__file__).parents[2] / "golden" / "runs"


def write_run(folder, *, rank=0, emit=emit_whole_run):
    with Hub("a-run", rank=rank) as hub:
        hub.attach(RunLog(folder, append=True))
        emit(hub.channel(env_id=0))
    return folder


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "a-run")


@pytest.fixture(params=FORMATS)
def dataset(request, tmp_path):
    return open_dataset(tmp_path / "out", FORMATS[request.param])


def data_files(dataset):
    return sorted(dataset.folder.rglob(f"part-*.{dataset.format.name}"))


def keys_in(dataset):
    """Return event, run, rank, writer and number of every row, as another program finds them."""
    found = []
    for path in data_files(dataset):
        parts = dict(part.split("=", 1) for part in path.parts if "=" in part)
        if dataset.format.name == "csv":
            rows = duckdb.read_csv(str(path), all_varchar=True).project("boot, seq").fetchall()
        elif dataset.format.name == "arrow":
            with pyarrow.ipc.open_file(path) as file:
                rows = [(one["boot"], one["seq"]) for one in file.read_all().to_pylist()]
        else:
            table = pyarrow.parquet.read_table(path, columns=["boot", "seq"], partitioning=None)
            rows = [(one["boot"], one["seq"]) for one in table.to_pylist()]
        head = [parts[key] for key in PARTITION_KEYS]
        found += [(*head, boot, int(seq)) for boot, seq in rows]
    return Counter(found)


def files_by_event(dataset):
    found = {}
    for path in data_files(dataset):
        found.setdefault(path.parts[-4], []).append(path)
    return found


def keys_of(folder):
    return Counter(
        (one.event, one.run, str(one.rank), one.boot, one.seq) for one, _ in read_run(folder)
    )


def test_every_event_is_there_once(run, dataset):
    write_run(run, rank=1)

    result = export_run(run, dataset)

    assert keys_in(dataset) == keys_of(run)
    assert result.num_added == result.num_events == sum(keys_of(run).values())
    assert not result.is_restarted


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_the_files_have_the_schema_of_the_contract(run, tmp_path, name):
    dataset = open_dataset(tmp_path / "out", FORMATS[name])
    export_run(run, dataset)

    table = pyarrow.dataset.dataset(
        dataset.folder / "event=EPOCH_COMPLETED" / "run=a-run" / "rank=0", format=name
    ).to_table()

    full = EVENT_SCHEMAS["EPOCH_COMPLETED"]
    in_file = [field for field in full if field.name not in PARTITION_KEYS]
    # Parquet has its own name for the items of a list, so the fields are not compared as a whole.
    assert [(one.name, one.type, one.nullable, one.metadata) for one in table.schema] == [
        (one.name, one.type, one.nullable, one.metadata) for one in in_file
    ]
    rows = [to_row(*one) for one in read_run(run) if one[0].event == "EPOCH_COMPLETED"]
    kept = [{key: row[key] for key in row if key not in PARTITION_KEYS} for row in rows]
    assert repr(table.to_pylist(maps_as_pydicts="strict")) == repr(kept)


def test_a_second_export_adds_only_what_is_new(tmp_path, dataset):
    run = write_run(tmp_path / "a-run", emit=emit_start)
    export_run(run, dataset)
    before = {path: path.stat().st_ino for path in data_files(dataset)}

    assert export_run(run, dataset).num_added == 0
    assert {path: path.stat().st_ino for path in data_files(dataset)} == before

    write_run(run)
    result = export_run(run, dataset)
    assert {path: path.stat().st_ino for path in before} == before
    assert keys_in(dataset) == keys_of(run)
    assert (result.num_added, result.is_restarted) == (24, False)


def test_a_long_log_is_written_in_pieces(run, dataset, monkeypatch):
    monkeypatch.setattr(export, "COMMIT_EVENTS", 5)
    monkeypatch.setattr(export, "_BATCH_EVENTS", 3)

    export_run(run, dataset)

    assert keys_in(dataset) == keys_of(run)
    assert len({path.name for path in data_files(dataset)}) > 2


def test_many_small_additions_leave_few_files(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr(compaction, "MIN_FILES", 3)
    run = tmp_path / "a-run"
    for number in range(20):
        write_run(run, emit=lambda channel, number=number: emit_epoch(channel, accuracy=number))
        export_run(run, dataset)

    # 20 is 202 in the number system of 3, so two files of nine rows, none of three, and two of one.
    assert [len(events) for events in files_by_event(dataset).values()] == [4]
    assert keys_in(dataset) == keys_of(run)
    assert export_run(run, dataset).num_events == 20


def test_a_merge_that_is_interrupted_leaves_nothing_twice(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr(compaction, "MIN_FILES", 2)
    run = write_run(tmp_path / "a-run", emit=emit_start)
    export_run(run, dataset)
    write_run(run, emit=emit_start)

    def interrupt(*_):
        raise KeyboardInterrupt

    for method in ("merge_files", "save", "remove_files"):
        with monkeypatch.context() as patch:
            patch.setattr(Dataset, method, interrupt)
            with pytest.raises(KeyboardInterrupt):
                export_run(run, dataset)
    export_run(run, dataset)

    assert keys_in(dataset) == keys_of(run)
    assert [len(events) for events in files_by_event(dataset).values()] == [1]


def test_large_files_are_not_written_again():
    folder = "event=EPOCH_COMPLETED/run=a-run/rank=0"
    files = {f"{folder}/part-{number:06d}.csv": 65_536 for number in range(20)}
    assert find_mergeable(files) == []
    files |= {f"{folder}/part-{number:06d}.csv": 100 + number for number in range(20, 28)}
    files |= {f"{folder}/part-{number:06d}.csv": 1 for number in range(28, 35)}

    (group,) = find_mergeable(files)

    assert [files[name] for name in group] == list(range(120, 128))


KILLED = """
import os, signal, sys
from pathlib import Path
from esper.nissa.exporting import compaction, export
from esper.nissa.exporting.compaction import find_mergeable
from esper.nissa.exporting.dataset import Dataset, open_dataset
from esper.nissa.exporting.formats import FORMATS
run, out, moment = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
export.COMMIT_EVENTS, export._BATCH_EVENTS = 5, 3
number = 0
replace = Path.replace
def count(path, target):
    global number
    number += 1
    if number == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, target)
Path.replace = count
export.export_run(run, open_dataset(out, FORMATS["csv"]))
"""


# The first file that is renamed is that of the format, the second the first state, the others are tables and states.
@pytest.mark.parametrize("moment", [2, 3, 6, 9, 14])
def test_a_kill_leaves_whole_files_and_nothing_twice(run, tmp_path, moment):
    arguments = [sys.executable, "-c", KILLED, run, tmp_path / "out", str(moment)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr

    dataset = open_dataset(tmp_path / "out", FORMATS["csv"])
    assert all(path.read_text().endswith("\n") for path in data_files(dataset))
    assert keys_in(dataset) <= keys_of(run)
    export_run(run, dataset)

    assert keys_in(dataset) == keys_of(run)
    assert not list(dataset.folder.rglob("*.tmp"))


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_resumed_run_replaces_what_it_trains_again(tmp_path, dataset, is_killed):
    folder = tmp_path / "a-run"
    with Hub("a-run") as hub:
        log = hub.attach(RunLog(folder, config=RunLogConfig(segment_bytes=1)))
        emit_start(hub.channel(env_id=0))
        position = log.position
        emit_epoch(hub.channel(env_id=0), accuracy=10.0)
    export_run(folder, dataset)
    rewind(folder, position)
    with Hub("a-run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(folder))
        emit_epoch(hub.channel(env_id=0), accuracy=20.0)
        emit_germination(hub.channel(env_id=0))
    if is_killed:
        # As if the export had been killed after writing a file.
        stray = dataset.add_file("a-run", 99, 0, [next(iter(read_run(folder)))])
        assert (dataset.folder / stray).exists()

    result = export_run(folder, dataset)

    assert keys_in(dataset) == keys_of(folder)
    assert (result.num_added, result.is_restarted) == (3, True)


@pytest.mark.parametrize("name", ["resumed", "torn"])
def test_logs_of_an_earlier_version_are_exported(dataset, name):
    export_run(RECORDED / name, dataset)

    assert keys_in(dataset) == keys_of(RECORDED / name)


def texts_in(dataset):
    if dataset.format.name == "csv":
        return "".join(path.read_text() for path in data_files(dataset))
    if dataset.format.name == "parquet":
        return str([pyarrow.parquet.read_table(path).to_pylist() for path in data_files(dataset)])
    return str([pyarrow.ipc.open_file(path).read_all().to_pylist() for path in data_files(dataset)])


def add_line(folder, **changes):
    """Append a line to the log: the last one with other values."""
    (file,) = (folder / "log").glob("*.jsonl")
    line = json.loads(file.read_bytes().splitlines()[-1])
    line["seq"] += 1
    payload = line["payload"] | changes.pop("payload", {})
    file.write_bytes(
        file.read_bytes() + json.dumps(line | changes | {"payload": payload}).encode() + b"\n"
    )


def test_sensitive_fields_are_left_out_unless_named(run, dataset):
    add_line(run, payload={"error_type": "ValueError", "error_message": "the secret"})

    export_run(run, dataset)
    assert "the secret" not in texts_in(dataset)
    assert "ValueError" in texts_in(dataset)

    result = export_run(run, dataset, reveal=check_reveal(["RUN_FINISHED.error_message"]))
    assert "the secret" in texts_in(dataset)
    assert result.is_restarted
    assert keys_in(dataset) == keys_of(run)


def test_a_field_that_is_not_sensitive_cannot_be_revealed():
    with pytest.raises(UsageError, match=r'no sensitive field "RUN_FINISHED\.outcom"'):
        check_reveal(["RUN_FINISHED.outcom"])


def test_what_a_later_version_has_added_is_counted_and_left_out(run, dataset):
    add_line(run, v="1.99.0", payload={"warmth": 3})
    add_line(run, v="1.99.0", event="SEED_SLEPT")
    expected = {"RUN_FINISHED.warmth": 1, "SEED_SLEPT": 1}

    assert export_run(run, dataset).unknown == expected
    assert export_run(run, dataset).unknown == expected
    assert keys_in(dataset) == keys_of(run)


def test_another_version_of_the_contract_writes_everything_again(run, dataset):
    export_run(run, dataset)
    (path,) = dataset.folder.glob(".esper-export/run-*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"contract": "1.0.0"}))

    assert export_run(run, dataset).is_restarted
    assert keys_in(dataset) == keys_of(run)


def test_a_file_that_is_gone_is_written_again(run, dataset):
    export_run(run, dataset)
    data_files(dataset)[0].unlink()

    export_run(run, dataset)

    assert keys_in(dataset) == keys_of(run)


def test_a_damaged_state_is_refused(run, dataset):
    export_run(run, dataset)
    (path,) = dataset.folder.glob(".esper-export/run-*.json")
    path.write_text("{}")

    with pytest.raises(LogError, match="remove it to export the whole run again"):
        export_run(run, dataset)


def test_two_runs_with_one_id_are_refused_but_a_run_may_move(run, tmp_path, dataset):
    export_run(run, dataset)
    shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(UsageError, match="must have different ids"):
        export_run(tmp_path / "copy", dataset)

    shutil.rmtree(run)
    assert export_run(tmp_path / "copy", dataset).num_added == 0


def test_one_process_at_a_time_exports_a_run(run, dataset):
    with dataset.lock("a-run"), pytest.raises(UsageError, match="another one does now"):
        export_run(run, dataset)


def test_a_dataset_has_one_format_and_a_folder_of_its_own(run, tmp_path):
    open_dataset(tmp_path / "out", FORMATS["csv"])
    with pytest.raises(UsageError, match="holds csv; name another --out"):
        open_dataset(tmp_path / "out", FORMATS["parquet"])
    with pytest.raises(UsageError, match="holds other files"):
        open_dataset(run, FORMATS["csv"])
    with pytest.raises(UsageError, match="can be written"):
        open_dataset(run / "log" / next((run / "log").iterdir()).name, FORMATS["csv"])


def test_a_folder_without_a_log_and_an_empty_log(tmp_path, dataset):
    with pytest.raises(RunNotFoundError):
        export_run(tmp_path, dataset)
    (tmp_path / "empty" / "log").mkdir(parents=True)

    assert export_run(tmp_path / "empty", dataset).num_events == 0


STRANGE = 'exp [lr=0.1] 50% "ü"'


def test_a_strange_id_comes_back_from_the_path(tmp_path):
    with Hub(STRANGE) as hub:
        hub.attach(RunLog(tmp_path / "folder"))
        emit_start(hub.channel(env_id=0))
    dataset = open_dataset(tmp_path / "out", FORMATS["parquet"])
    export_run(tmp_path / "folder", dataset)

    files = dataset.folder / "event=RUN_STARTED" / "**" / "*.parquet"
    rows = duckdb.sql(f"SELECT DISTINCT run FROM read_parquet('{files}')").fetchall()

    assert rows == [(STRANGE,)]


ENGINES = {
    "duckdb": """
import duckdb
count = lambda pattern: duckdb.sql(f"SELECT count(*), sum(rank), min(run), avg(val_accuracy) FROM {pattern}").fetchall()[0]
print(*count(f"read_{FORMAT}('{OUT}/event=EPOCH_COMPLETED/**/*.{FORMAT}', hive_partitioning = true)"))
""",
    "polars": """
import polars
scan = {"parquet": polars.scan_parquet, "arrow": polars.scan_ipc}[FORMAT]
frame = scan(f"{OUT}/event=EPOCH_COMPLETED/**/*.{FORMAT}", hive_partitioning=True).collect()
print(len(frame), frame["rank"].sum(), frame["run"].min(), frame["val_accuracy"].mean())
""",
    "pandas": """
import pandas
frame = pandas.read_parquet(f"{OUT}/event=EPOCH_COMPLETED")
print(len(frame), frame["rank"].astype(int).sum(), frame["run"].astype(str).min(), frame["val_accuracy"].mean())
""",
}


@pytest.mark.parametrize(
    ("engine", "format_name"),
    [
        ("duckdb", "parquet"),
        ("duckdb", "csv"),
        ("polars", "parquet"),
        ("polars", "arrow"),
        ("pandas", "parquet"),
    ],
)
def test_an_engine_reads_the_dataset_as_it_is(run, tmp_path, engine, format_name):
    pytest.importorskip(engine, reason=f"not run without {engine}: pip install {engine}")
    write_run(run, rank=1)
    dataset = open_dataset(tmp_path / "out", FORMATS[format_name])
    export_run(run, dataset)
    code = f"OUT, FORMAT = {str(dataset.folder)!r}, {format_name!r}\n{ENGINES[engine]}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    epochs = [one for one in read_run(run) if one[0].event == "EPOCH_COMPLETED"]
    assert done.returncode == 0, done.stderr
    count, ranks, name, mean = done.stdout.split()
    assert (int(count), int(ranks), name) == (
        len(epochs),
        sum(one.rank for one, _ in epochs),
        "a-run",
    )
    expected = sum(payload.val_accuracy for _, payload in epochs) / len(epochs)
    assert math.isclose(float(mean), expected)
