"""What the sink `tensorboard` writes, read by TensorBoard itself; `make test-sinks` installs it."""

import math

import pytest

from esper._generated.fields import EVENT_FIELDS
from esper.nissa.hub import Hub
from esper.nissa.log_sinks.tensorboard import TensorBoardSink
from esper.nissa.shipping.log_sink import ShippedRun
from esper.nissa.sinks.memory import MemorySink
from esper.testing.sample_events import make_every_event, make_series
from esper.testing.sink_contract import SinkContract
from tests.nissa.sample_events import configured, emit_whole_run

pytest.importorskip("tensorboard", reason="the sink tensorboard is not tested: make test-sinks")
accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def load(folder):
    """Read a folder of event files, every point of it."""
    loaded = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    loaded.Reload()
    return loaded


class TestTensorBoardSink(SinkContract):
    sink_class = TensorBoardSink

    def key_of(self, event):
        return str(event[1].step)

    def read_back(self, run):
        if not (run.folder / "tensorboard").exists():
            return []
        loaded = load(run.folder / "tensorboard")
        if "metrics_logged/metrics/loss" not in loaded.Tags()["scalars"]:
            return []
        return [str(point.step) for point in loaded.Scalars("metrics_logged/metrics/loss")]


def ship(folder, events):
    sink = TensorBoardSink()
    sink.open(ShippedRun(run_id="run", folder=folder), None)
    sink.write(events)
    sink.commit()
    sink.close()
    return folder / "tensorboard"


def whole_run(env_id=0, rank=0):
    with Hub("run", rank=rank) as hub:
        memory = hub.attach(MemorySink())
        emit_whole_run(hub.channel(env_id=env_id))
        return list(memory.events)


def test_an_epoch_is_a_point_of_each_curve(tmp_path):
    loaded = load(ship(tmp_path, whole_run()))

    points = loaded.Scalars("epoch_completed/val_accuracy")
    assert [(point.step, point.value) for point in points] == [
        (epoch, 80.0 + 2 * epoch) for epoch in range(1, 9)
    ]
    assert loaded.Scalars("epoch_completed/severity")[0].value == 0.0


def test_each_slot_has_curves_of_its_own(tmp_path):
    loaded = load(ship(tmp_path, whole_run()))

    stages = {
        slot: [
            (one.step, one.value) for one in loaded.Scalars(f"seed_stage_changed/{slot}/to_stage")
        ]
        for slot in ("r0c0", "r0c1")
    }
    assert stages["r0c0"] == [(2, 3.0), (4, 4.0), (6, 6.0), (8, 7.0)]
    assert stages["r0c1"] == [(4, 3.0), (6, 8.0), (6, 9.0)]


def test_a_step_is_the_x_axis_where_an_event_has_one(tmp_path):
    loaded = load(ship(tmp_path, make_series(5, first_seq=100)))

    assert [one.step for one in loaded.Scalars("metrics_logged/metrics/loss")] == [100, 101, 102, 103, 104]  # fmt: skip


def test_ranks_and_environments_are_runs_of_their_own(tmp_path):
    events = [*whole_run(), *whole_run(env_id=2), *whole_run(env_id=1, rank=3)]
    root = ship(tmp_path, events)

    for folder in (root, root / "env-2", root / "rank-3" / "env-1"):
        assert len(load(folder).Scalars("epoch_completed/val_accuracy")) == 8


def test_texts_and_nan_arrive(tmp_path):
    loaded = load(ship(tmp_path, whole_run()))

    (reason,) = loaded.Tensors("seed_pruned/r0c1/reason")
    assert reason.tensor_proto.string_val[0] == b"rollback"
    assert math.isnan(loaded.Scalars("governor_panic/CHECKS/loss")[0].value)


def test_every_scalar_of_the_contract_appears_by_itself(tmp_path):
    root = ship(tmp_path, make_every_event())

    folders = {path.parent for path in root.rglob("events.out.*")}
    tags = {tag for folder in folders for tag in load(folder).Tags()["scalars"]}
    for event, declared in EVENT_FIELDS.items():
        names = {one.name for one in declared if one.plot == "scalar"}
        parts = {
            part for tag in tags if tag.startswith(f"{event.lower()}/") for part in tag.split("/")
        }
        assert names <= parts, event


def test_the_page_of_hyperparameters_has_the_run(tmp_path):
    metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    config = {"task.lr": "0.05", "note": "adam", "is_fast": "true", "seed": "9"}
    loaded = load(ship(tmp_path, configured(whole_run(), config)))

    content = loaded.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert (start.group_name, start.hparams["task"].string_value) == ("run", "digits")
    assert start.hparams["seed"].number_value == 3
    assert start.hparams["task.lr"].number_value == 0.05
    assert start.hparams["note"].string_value == "adam"
    assert start.hparams["is_fast"].bool_value is True
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    assert end.status == 1
    assert [one.value for one in loaded.Scalars("run_finished/val_accuracy")] == [95.5]
