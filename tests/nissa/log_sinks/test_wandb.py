"""Offline runs that the sink `wandb` writes, read by W&B itself; `make test-sinks` installs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from esper._generated.fields import EVENT_FIELDS
from esper._generated.run import emit_run_resumed
from esper.nissa.hub import Hub
from esper.nissa.log_sinks.wandb_offline import WandbSink
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import ShippedRun
from esper.nissa.shipping.selection import Selection
from esper.nissa.sinks.memory import MemorySink
from esper.testing.sample_events import make_every_event, make_series
from esper.testing.sink_contract import SinkContract
from tests.nissa.log_sinks.wandb_server import WandbServer
from tests.nissa.sample_events import SECRET, add_secrets, configured, emit_whole_run

pytest.importorskip("wandb.proto", reason="the sink wandb is not tested: make test-sinks")


def read(path, *options):
    """Return what W&B's own reader prints about a file of records."""
    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", *options, path]
    environment = {**os.environ, "WANDB_ERROR_REPORTING": "false", "HOME": str(path.parent)}
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout


def records(path):
    return [json.loads(line) for line in read(path).splitlines()]


def histories(path):
    return [one["history"]["item"] for one in records(path) if one["type"] == "history"]


@pytest.fixture
def server():
    server = WandbServer()
    yield server
    server.close()


def file_in(folder, run_id="run"):
    (path,) = folder.glob(f"offline-run-*-{run_id}/run-{run_id}.wandb")
    return path


class TestWandbSink(SinkContract):
    sink_class = WandbSink

    def key_of(self, event):
        return str(event[1].step)

    def read_back(self, run):
        paths = list((run.folder / "wandb").glob("*/*.wandb"))
        return [str(row["step"]) for path in paths for row in histories(path) if "step" in row]


def ship(folder, events):
    sink = WandbSink()
    sink.open(ShippedRun(run_id="run", folder=folder), None)
    sink.write(events)
    sink.commit()
    sink.close()
    return folder / "wandb"


def whole_run(env_id=0, rank=0):
    with Hub("run", rank=rank) as hub:
        memory = hub.attach(MemorySink())
        emit_whole_run(hub.channel(env_id=env_id))
        return list(memory.events)


def test_each_curve_has_its_axis(tmp_path):
    path = file_in(ship(tmp_path, [*whole_run(), *make_series(3)]))

    metrics = [one["metric"] for one in map(json.loads, read(path).splitlines()) if "metric" in one]
    axes = {one["glob_name"]: one["step_metric"] for one in metrics if "glob_name" in one}
    assert axes["epoch_completed/*"] == axes["seed_pruned/*"] == "epoch"
    assert axes["metrics_logged/*"] == axes["governor_snapshot/*"] == "step"
    assert len(axes) == len([one for one in metrics if "glob_name" in one])
    points = [
        (row["epoch"], row["epoch_completed/val_accuracy"])
        for row in histories(path)
        if "epoch_completed/val_accuracy" in row
    ]
    assert points == [(epoch, 80.0 + 2 * epoch) for epoch in range(1, 9)]


def test_the_table_of_runs_has_settings_results_and_the_end(tmp_path):
    events = configured(whole_run(), {"task.lr": "0.05", "seed": "9"})
    shown = json.loads(read(file_in(ship(tmp_path, events)), "--summary"))

    assert shown["config"]["task.lr"] == 0.05
    assert (shown["state"], shown["exit_code"], shown["run_id"]) == ("finished", 0, "run")
    assert (shown["config"]["task"], shown["config"]["seed"]) == ("digits", 3)
    assert shown["summary"]["run_finished/val_accuracy"] == 95.5
    assert shown["summary"]["governor_panic/CHECKS/loss"] == "NaN"


def test_lifecycle_and_governor_are_tables(tmp_path):
    path = file_in(ship(tmp_path, whole_run()))

    shown = json.loads(read(path, "--summary"))["summary"]
    for family, count in (("lifecycle", 11), ("governor", 2)):
        assert (shown[family]["_type"], shown[family]["nrows"]) == ("table-file", count)
        table = json.loads((path.parent / "files" / shown[family]["path"]).read_text())
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        assert len(rows) == count
    assert (rows[1]["event"], rows[1]["pruned_slots"], rows[0]["loss"]) == (
        "GOVERNOR_ROLLBACK", ["r0c1"], "NaN",
    )  # fmt: skip


def test_a_restart_continues_the_run_without_a_second_end(tmp_path):
    run = ShippedRun(run_id="run", folder=tmp_path)
    events, state = whole_run(), None
    for part in (events[:5], events[5:], []):
        sink = WandbSink()
        sink.open(run, state)
        sink.write(part)
        state = json.loads(json.dumps(sink.commit()))
        sink.close()

    types, whole = (
        [one["type"] for one in records(file_in(root)) if one["type"] != "summary"]
        for root in (tmp_path / "wandb", ship(tmp_path / "whole", events))
    )
    assert types == whole
    assert (types.count("exit"), types.count("run")) == (1, 1)


def test_ranks_and_environments_are_runs_of_the_same_group(tmp_path):
    root = ship(tmp_path, [*whole_run(), *whole_run(env_id=1, rank=3)])

    for run_id in ("run", "run-rank-3-env-1"):
        found = [one["run"] for one in records(file_in(root, run_id)) if one["type"] == "run"]
        assert [one["run_group"] for one in found] == ["run"]


def test_records_longer_than_a_block_are_whole(tmp_path):
    events = make_series(700)
    path = file_in(ship(tmp_path, events))

    assert path.stat().st_size > 3 * 2**15
    assert [row["step"] for row in histories(path) if "step" in row] == list(range(700))


def test_every_scalar_of_the_contract_appears_and_nothing_sensitive(tmp_path):
    events = Selection(ShipConfig()).select(add_secrets(make_every_event()))
    root = ship(tmp_path, events)

    rows = [row for path in root.rglob("*.wandb") for row in histories(path)]
    names = {part for row in rows for name in row for part in name.split("/")}
    for event, declared in EVENT_FIELDS.items():
        assert {one.name for one in declared if one.plot == "scalar"} <= names, event
    assert not [path for path in root.rglob("*.*") if SECRET.encode() in path.read_bytes()]


def test_a_run_that_was_resumed_has_not_ended(tmp_path):
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        channel = hub.channel(env_id=0)
        emit_whole_run(channel)
        emit_run_resumed(channel, epochs_completed=8, epochs=9, superseded_events=0)
        events = list(memory.events)

    types = [one["type"] for one in records(file_in(ship(tmp_path, events)))]
    assert "exit" not in types


def test_wandb_sync_sends_the_whole_run(server, tmp_path):
    root = ship(tmp_path, whole_run())
    written = histories(file_in(root))
    environment = {
        **os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "0" * 40,
        "WANDB_ERROR_REPORTING": "false", "HOME": str(tmp_path), "no_proxy": "*",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("wandb"), "sync", "--yes", file_in(root).parent]

    subprocess.run(command, capture_output=True, check=True, env=environment, cwd=tmp_path)

    sent = [server.rows[number] for number in range(len(server.rows))]
    assert len(sent) == len(written)
    for row, expected in zip(sent, written, strict=True):
        # W&B's reader prints NaN as text.
        row = {name: "NaN" if value != value else value for name, value in row.items()}
        assert expected.items() <= row.items()
    assert server.exit_code == 0
    tables = {"media/table/lifecycle.table.json", "media/table/governor.table.json"}
    assert tables < set(server.files)
    assert json.loads(server.files["wandb-summary.json"])["run_finished/val_accuracy"] == 95.5
    assert b"epoch_completed/*" in server.files["config.yaml"]
