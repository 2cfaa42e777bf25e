"""A run of the user's own training loop: what is reported is in the log, and the run has an end and a reason."""

import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import esper
from esper.cli import main
from esper.leyline.numbers import MAX_METRICS
from esper.telemetry import (
    LoopEpochCompletedPayload,
    LoopStartedPayload,
    MetricsLoggedPayload,
    RunFinishedPayload,
    RunOutcome,
    SkipCause,
    emit_governor_step_skipped,
)

ONCE = 1e-6
"""So few calls a second are written that only the first of a test is."""


def payloads(folder, payload_type):
    return [one for _, one in esper.read_run(folder) if isinstance(one, payload_type)]


def metrics_of(folder):
    return [
        (one.step, dict(one.metrics), one.num_left_out)
        for one in payloads(folder, MetricsLoggedPayload)
    ]


def result(folder):
    (finished,) = payloads(folder, RunFinishedPayload)
    return finished


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 1), esper.SeedSlot("middle", channels=4), nn.Flatten())


def test_a_run_has_a_start_epochs_and_an_end(tmp_path):
    with esper.start_run(tmp_path, "first", seed=7, epochs=2) as run:
        run.epoch(1, train_loss=0.5, val_loss=0.6, val_accuracy=90.0, top5=99.0)
        run.epoch(2, train_loss=0.4, val_accuracy=91.0, learning_rate=0.1)

    (start,) = payloads(run.folder, LoopStartedPayload)
    first, second = payloads(run.folder, LoopEpochCompletedPayload)
    assert run.folder == tmp_path / "first"
    assert (start.task, start.seed, start.epochs, start.device) == ("first", 7, 2, None)
    assert (first.train_loss, first.val_loss, first.metrics) == (0.5, 0.6, {"top5": 99.0})
    assert (second.val_loss, second.severity, second.num_params) == (None, None, None)
    assert (result(run.folder).outcome, result(run.folder).epochs_completed) == (
        RunOutcome.COMPLETED,
        2,
    )
    assert result(run.folder).val_accuracy == 91.0


def test_the_story_of_an_own_run_is_that_of_any_run(tmp_path):
    with esper.start_run(tmp_path, epochs=3) as run:
        run.epoch(val_accuracy=80.0)
        run.epoch(val_loss=1.0)
    story = esper.read_story(run.folder)

    assert story.outcome is RunOutcome.COMPLETED
    assert (story.epochs_planned, story.epochs_completed, story.last_epoch) == (3, 2, 2)
    assert (story.grown_accuracy, story.num_params, story.num_host_params) == (80.0, None, None)


def test_events_belong_to_the_epoch_under_way(tmp_path):
    with esper.start_run(tmp_path) as run:
        run.log(loss=3.0)
        run.epoch()
        run.log(loss=2.0, lr=0.1)

    epochs = [
        envelope.epoch
        for envelope, payload in esper.read_run(run.folder)
        if isinstance(payload, MetricsLoggedPayload | LoopEpochCompletedPayload)
    ]
    assert epochs == [1, 1, 2]


@pytest.mark.parametrize(
    ("given_epochs", "logged"),
    [([0, 1, 2], [1, 2, 3]), ([1, 2], [1, 2]), ([5, 10], [5, 10]), ([None, None], [1, 2])],
)
def test_epochs_count_from_one(tmp_path, given_epochs, logged):
    with esper.start_run(tmp_path) as run:
        for epoch in given_epochs:
            run.epoch(epoch)

    story = esper.read_story(run.folder)
    assert [event.epoch for event in story.epochs] == logged


def test_an_epoch_that_is_over_is_refused(tmp_path):
    with esper.start_run(tmp_path) as run:
        run.epoch(2)
        with pytest.raises(
            esper.UsageError, match="must come after the last one, got 2 after 2 completed"
        ):
            run.epoch(2)


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(0, 2**63 - 1),
            st.dictionaries(
                st.text(
                    st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=128
                ).filter(lambda name: name.isprintable() and name != "step"),
                st.floats(width=64) | st.integers(-(10**6), 10**6),
                min_size=1,
                max_size=5,
            ),
        ),
        max_size=5,
    )
)
def test_metrics_are_read_back_as_they_were_logged(calls):
    with tempfile.TemporaryDirectory() as folder:
        with esper.start_run(folder, max_logs_per_s=None) as run:
            for step, metrics in calls:
                run.log(step=step, **metrics)

        logged = metrics_of(run.folder)
    assert repr(logged) == repr(
        [
            (step, {name: float(value) for name, value in metrics.items()}, 0)
            for step, metrics in calls
        ]
    )


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        torch.tensor(2.0),
        torch.tensor([2.0]),
        torch.tensor(2.0, dtype=torch.bfloat16),
        torch.tensor(2.0, requires_grad=True),
        torch.tensor(2),
        np.float32(2.0),
        np.float64(2.0),
        np.int64(2),
        np.array([[2.0]]),
    ],
    ids=repr,
)
def test_numbers_tensors_and_numpy_values_are_metrics(tmp_path, value):
    with esper.start_run(tmp_path) as run:
        run.log(step=np.int64(1), loss=value)
        run.epoch(np.int64(1), val_loss=value, val_accuracy=value)

    assert metrics_of(run.folder) == [(1, {"loss": 2.0}, 0)]
    (epoch,) = payloads(run.folder, LoopEpochCompletedPayload)
    assert (epoch.val_loss, epoch.val_accuracy) == (2.0, 2.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, torch.tensor(-math.inf)], ids=repr)
def test_a_loss_that_is_not_finite_is_kept(tmp_path, value):
    with esper.start_run(tmp_path) as run:
        run.log(loss=value)
        run.epoch(train_loss=value)

    ((_, metrics, _),) = metrics_of(run.folder)
    (epoch,) = payloads(run.folder, LoopEpochCompletedPayload)
    assert repr(metrics["loss"]) == repr(epoch.train_loss) == repr(float(value))


@pytest.mark.parametrize(
    "value",
    ["1.0", b"1", None, torch.ones(3), np.ones(2), torch.tensor(1j), 10**400, [1.0]],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_not_one_number_is_refused(tmp_path, value):
    with (
        esper.start_run(tmp_path) as run,
        pytest.raises(esper.UsageError, match='"loss" must be one number, got a '),
    ):
        run.log(loss=value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.log(step=3), "log must be given a metric"),
        (lambda run: run.log(step=-1, loss=1.0), "step must be from 0"),
        (lambda run: run.log(step=2**63, loss=1.0), "step must be from 0"),
        (lambda run: run.log(step=1.5, loss=1.0), "step must be an integer, got a float"),
        (lambda run: run.log(**{"x" * 129: 1.0}), "name of a metric must have 1 to 128"),
        (lambda run: run.log(**{"\x1b": 1.0}), r'got "\\x1b"'),
        (lambda run: run.log(**{f"m{i}": 1.0 for i in range(257)}), "at most 256 in one call"),
        (lambda run: run.epoch(val_accuracy=101.0), "val_accuracy must be in percent"),
        (lambda run: run.epoch(learning_rate=-0.1), "learning_rate must be 0 or more"),
    ],
)
def test_a_value_out_of_range_is_refused_and_the_run_goes_on(tmp_path, call, message):
    with esper.start_run(tmp_path) as run:
        with pytest.raises(esper.UsageError, match=message):
            call(run)
        run.epoch()

    assert result(run.folder).epochs_completed == 1
    assert esper.read_story(run.folder).rejected == ()


def test_an_accuracy_that_is_nan_was_not_measured(tmp_path):
    with esper.start_run(tmp_path) as run:
        run.epoch(val_accuracy=math.nan)
        # A mean in float32 may exceed 100 % by its rounding.
        run.epoch(val_accuracy=100.00001)

    nan, rounded = payloads(run.folder, LoopEpochCompletedPayload)
    assert (nan.val_accuracy, rounded.val_accuracy) == (None, 100.0)


def test_the_rate_is_limited_for_each_set_of_names_and_the_last_values_are_kept(tmp_path):
    with esper.start_run(tmp_path, max_logs_per_s=ONCE) as run:
        for step in range(10):
            run.log(step=step, loss=step)
            run.log(step=step, lr=step, decay=0.0)
        run.epoch()
        run.log(step=10, loss=10.0)

    assert metrics_of(run.folder) == [
        (0, {"loss": 0.0}, 0),
        (0, {"lr": 0.0, "decay": 0.0}, 0),
        (9, {"loss": 9.0}, 8),
        (9, {"lr": 9.0, "decay": 0.0}, 8),
        (10, {"loss": 10.0}, 0),
    ]
    metrics = esper.read_story(run.folder).metrics
    assert (metrics.num_logged, metrics.num_left_out, metrics.last_step) == (5, 16, 10)
    assert metrics.newest == {"loss": 10.0, "lr": 9.0, "decay": 0.0}


def test_a_new_name_at_every_step_does_not_use_up_the_memory(tmp_path):
    with esper.start_run(tmp_path, max_logs_per_s=ONCE) as run:
        for step in range(600):
            run.log(**{f"loss{step}": 1.0})
        assert len(run._metrics._series) <= 256

    assert len(metrics_of(run.folder)) == 600


@pytest.mark.parametrize("rate", [0, -1.0, math.nan])
def test_a_rate_must_be_above_zero(tmp_path, rate):
    with pytest.raises(esper.UsageError, match="max_logs_per_s must be above 0"):
        esper.start_run(tmp_path, max_logs_per_s=rate)


def test_with_the_network_the_run_reports_parameters_device_and_slots(tmp_path):
    model = network()
    with esper.start_run(tmp_path, model=model) as run:
        slot = model[1]
        slot.channel = run.channel
        slot.germinate("norm")
        run.epoch()
    story = esper.read_story(run.folder)

    assert (story.started.device, story.started.slot_ids) == ("cpu", ("middle",))
    assert (story.num_host_params, story.params_added) == (8, 9)
    assert [seed.blueprint_id for seed in story.slots[0].seeds] == ["norm"]
    (epoch,) = payloads(run.folder, LoopEpochCompletedPayload)
    assert [seed.slot_id for seed in epoch.seeds] == ["middle"]


def test_a_network_with_lazy_layers_has_parameters_once_it_has_seen_an_input(tmp_path):
    model = nn.Sequential(nn.LazyLinear(2))
    with esper.start_run(tmp_path, model=model) as run:
        model(torch.ones(1, 3))
        run.epoch()

    story = esper.read_story(run.folder)
    assert (story.num_host_params, story.num_params) == (None, 8)


def fail(folder, error, **arguments):
    """Raise `error` in the second epoch of the run `failed`."""
    with esper.start_run(folder, "failed", **arguments) as run:
        run.log(step=1, loss=0.5)
        run.epoch(val_accuracy=75.0)
        raise error


def test_an_exception_fails_the_run_and_goes_on(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path, ZeroDivisionError("division by zero"))

    end = result(tmp_path / "failed")
    assert (end.outcome, end.error_type, end.error_message) == (
        RunOutcome.FAILED,
        "ZeroDivisionError",
        "division by zero",
    )
    assert end.error_place.startswith(f"{__file__}:")


def test_an_error_inside_of_pytorch_has_the_place_of_the_call(tmp_path):
    with pytest.raises(RuntimeError), esper.start_run(tmp_path) as run:
        nn.Linear(2, 3)(torch.ones(1, 5))

    assert result(run.folder).error_place.startswith(f"{__file__}:")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_is_not_a_failure(tmp_path, error):
    with pytest.raises(error), esper.start_run(tmp_path) as run:
        raise error

    assert result(run.folder).outcome is RunOutcome.INTERRUPTED
    assert result(run.folder).error_type is None


@pytest.mark.parametrize("leaves_by_exit", [False, True])
def test_a_run_that_the_governor_has_ended_is_stopped(tmp_path, leaves_by_exit):
    model = nn.Linear(2, 1)
    governor = esper.TolariaGovernor(
        model,
        config=esper.GovernorConfig(escalation=esper.EscalationConfig(budget=1)),
    )

    def train():
        with esper.start_run(tmp_path, "stopped") as run:
            governor.channel = run.channel
            for step in range(3000):
                governor.before_step(1.0 if step < 50 else math.nan)
                if governor.after_step().must_stop:
                    break
            run.epoch()
            if leaves_by_exit:
                sys.exit("stopped")

    if leaves_by_exit:
        with pytest.raises(SystemExit):
            train()
    else:
        train()
    folder = tmp_path / "stopped"
    assert governor.stop_report is not None
    assert result(folder).outcome is RunOutcome.STOPPED
    (epoch,) = payloads(folder, LoopEpochCompletedPayload)
    assert epoch.severity is esper.Severity.STOP


def test_the_severity_of_an_epoch_is_the_worst_within_it(tmp_path):
    with esper.start_run(tmp_path) as run:
        governor = esper.TolariaGovernor(nn.Linear(2, 1), channel=run.channel)
        governor.snapshot()
        emit_governor_step_skipped(
            run.channel, cause=SkipCause.DATA, step=1, loss=1.0, grad_norm=None, skips_in_a_row=1
        )
        run.epoch()
        run.epoch()

    severities = [one.severity for one in payloads(run.folder, LoopEpochCompletedPayload)]
    assert severities == [esper.Severity.SKIP, esper.Severity.OK]


def test_a_run_without_a_with_block_ends_with_finish(tmp_path):
    run = esper.start_run(tmp_path)
    run.finish()
    run.finish()

    assert result(run.folder).outcome is RunOutcome.COMPLETED


@pytest.mark.parametrize("use", [lambda run: run.log(loss=1.0), lambda run: run.epoch()])
def test_a_run_cannot_be_used_after_its_end(tmp_path, use):
    with esper.start_run(tmp_path) as run:
        pass

    with pytest.raises(esper.UsageError, match="must not be used after its end"):
        use(run)
    with pytest.raises(esper.UsageError, match="must not be used after its end"), run:
        pass


def test_a_run_is_entered_once(tmp_path):
    with (
        esper.start_run(tmp_path) as run,
        pytest.raises(esper.UsageError, match="must be entered once"),
        run,
    ):
        pass

    assert result(run.folder).outcome is RunOutcome.COMPLETED


def test_two_runs_at_once_have_a_folder_each(tmp_path):
    with esper.start_run(tmp_path) as one, esper.start_run(tmp_path) as other:
        one.log(loss=1.0)
        other.log(loss=2.0)

    assert metrics_of(one.folder) == [(None, {"loss": 1.0}, 0)]
    assert metrics_of(other.folder) == [(None, {"loss": 2.0}, 0)]


def test_a_name_that_is_taken_is_refused_and_the_old_run_stays(tmp_path):
    with esper.start_run(tmp_path, "mine") as run:
        run.epoch()
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(
        esper.UsageError, match=r'"mine" is in .* already; give another name, leave the name out'
    ):
        esper.start_run(tmp_path, "mine")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["", " x", "a/b", "a\\b", "..", ".hidden", "-x", "~", "latest", "x" * 65, "\x1b[31m"]
)
def test_a_name_that_is_no_folder_or_cannot_be_shown_is_refused(tmp_path, name):
    with pytest.raises(esper.UsageError, match="the name of a run must have 1 to 64") as caught:
        esper.start_run(tmp_path, name)

    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"epochs": 1.5}, "epochs must be an integer, got a float"),
        ({"seed": 10**5000}, "got a huge number"),
        ({"seed": 2**63}, "seed must be from 0 to 2"),
        ({"config": {"a": {"b": [1, object()]}}}, r"got a value of type object at config.a.b\[1\]"),
        ({"config": {1: 2}}, "the keys of config must be texts, got 1"),
        ({"config": {"a": 10**5000}}, "integers of at most 1024 bits, got 16610 bits at config.a"),
        ({"config": [1]}, r"config must be a dict, got a value of type list; for argparse: vars"),
        ({"name": Path("mine")}, "the name of a run must be of type str, got a value of type"),
        ({"model": "net"}, "model must be of type Module, got 'net'; pass the network"),
        ({"sinks": esper.MemorySink()}, r"must be a list of sinks, got a value .*; write \[sink\]"),
        ({"sinks": [5]}, "a sink must have write, close, got 5 without write, close"),
        ({"max_logs_per_s": "fast"}, "max_logs_per_s must be a number, got 'fast'"),
        ({"dir": ""}, "dir must be a path, got ''; for the current folder"),
        ({"dir": None}, "dir must be a path, got None"),
        ({"dir": "a\0b"}, r"dir must be a folder that can be written, got a\\x00b \(embedded null"),
    ],
)
def test_arguments_are_checked_before_a_folder_is_made(tmp_path, arguments, message):
    with pytest.raises(esper.UsageError, match=message):
        esper.start_run(**{"dir": tmp_path, **arguments})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [None, "mine"])
def test_a_file_in_place_of_the_folder_of_runs_is_named(tmp_path, name):
    (tmp_path / "file").touch()

    with pytest.raises(esper.UsageError, match="dir must be a folder that can be written"):
        esper.start_run(tmp_path / "file", name)


def test_the_config_is_in_the_folder(tmp_path):
    config = {"lr": 0.1, "betas": (0.9, 0.99), "data": Path("x"), "warm": None, "limit": math.inf}
    with esper.start_run(tmp_path, config=config) as run:
        pass

    assert json.loads((run.folder / "config.json").read_text(encoding="utf-8")) == {
        "lr": 0.1,
        "betas": [0.9, 0.99],
        "data": "x",
        "warm": None,
        "limit": "inf",
    }


def test_a_config_that_contains_itself_is_refused(tmp_path):
    config: dict = {}
    config["self"] = config

    with pytest.raises(esper.UsageError, match="config must not contain itself"):
        esper.start_run(tmp_path, config=config)


def test_numbers_of_numpy_are_written_to_the_config(tmp_path):
    with esper.start_run(tmp_path, config={"lr": np.float32(0.5), "width": np.int64(8)}) as run:
        pass

    config = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
    assert config == {"lr": 0.5, "width": 8}


def test_a_seed_and_epochs_of_numpy_are_integers(tmp_path):
    with esper.start_run(tmp_path, seed=np.int64(3), epochs=np.int32(2)) as run:
        pass

    (start,) = payloads(run.folder, LoopStartedPayload)
    assert (start.seed, start.epochs) == (3, 2)


def test_sinks_receive_the_events(tmp_path):
    memory = esper.MemorySink()
    with esper.start_run(tmp_path, sinks=[memory]) as run:
        run.log(loss=1.0)

    assert [one.EVENT for one in memory.payloads] == [
        "LOOP_STARTED",
        "METRICS_LOGGED",
        "HUB_STATS",
        "RUN_FINISHED",
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_neither_logs_nor_ends_the_run(tmp_path):
    code = f"""
import os, sys, esper
with esper.start_run({str(tmp_path)!r}, "forked") as run:
    pid = os.fork()
    if pid == 0:
        try:
            run.log(loss=1.0)
        except esper.UsageError as error:
            print(error, flush=True)
        sys.exit(0)
    os.waitpid(pid, 0)
    run.log(loss=2.0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "must be used by the process that started it" in done.stdout
    assert done.stderr == ""
    assert metrics_of(tmp_path / "forked") == [(None, {"loss": 2.0}, 0)]
    assert result(tmp_path / "forked").outcome is RunOutcome.COMPLETED


def test_another_process_joins_the_run_with_its_handle(tmp_path):
    with esper.start_run(tmp_path) as run:
        handle = pickle.loads(pickle.dumps(run.handle()))
        with esper.Hub.join(handle) as hub:
            hub.channel().reject("ANY", ValueError())
        with pytest.raises(TypeError, match=r"pass run.handle\(\) to the other one, and call Hub"):
            pickle.dumps(run)

    assert [one.rank for one, _ in esper.read_run(run.folder)] == [0, 0, 0, 1_000_000]
    with pytest.raises(esper.UsageError, match="has ended"):
        run.handle()


@pytest.mark.parametrize(
    ("end", "outcome", "error"),
    [
        ("raise ValueError('no data')", RunOutcome.FAILED, ("ValueError", "no data")),
        ("sys.exit(3)", RunOutcome.INTERRUPTED, (None, None)),
    ],
)
def test_the_exit_of_the_program_ends_a_run_without_a_with_block(tmp_path, end, outcome, error):
    code = f"""
import os, sys, esper
run = esper.start_run({str(tmp_path)!r}, "mine", max_logs_per_s=1e-6)
run.log(loss=1.0)
run.log(loss=2.0)
{end}
"""
    subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False)

    finished = result(tmp_path / "mine")
    assert (finished.outcome, finished.error_type, finished.error_message) == (outcome, *error)
    assert [metrics["loss"] for _, metrics, _ in metrics_of(tmp_path / "mine")] == [1.0, 2.0]


def test_the_summary_of_an_own_run(tmp_path, capsys):
    with pytest.raises(ValueError, match="odd"):
        fail(tmp_path, ValueError("odd\x1b[31m"), epochs=2, seed=1, model=network())

    assert main(["summary", "failed", "--run-dir", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "failed  failed\nfailure     ValueError: odd\\x1b[31m, at" in text
    assert "trained     failed, seed 1, on cpu: 1 of 2 epochs in" in text
    assert "accuracy    75.00 %\n" in text
    assert "metrics     loss 0.5 at step 1 (1 logged)\n" in text


def test_the_json_summary_of_an_own_run(tmp_path, capsys):
    with esper.start_run(tmp_path, "mine") as run:
        run.log(step=1, loss=math.nan)
        run.epoch(val_accuracy=75.0)

    assert main(["summary", "mine", "--run-dir", str(tmp_path), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["metrics"] == {
        "num_logged": 1,
        "num_left_out": 0,
        "last_step": 1,
        "newest": {"loss": "NaN"},
    }
    assert (summary["error"], summary["seed"], summary["num_params"]) == (None, None, None)
    assert summary["curve"][0]["val_accuracy"] == 75.0
    assert main(["lint-log", "mine", "--run-dir", str(tmp_path)]) == 0


def test_the_limits_are_those_of_the_contract():
    assert MAX_METRICS == 256
    MetricsLoggedPayload(
        step=None,
        metrics={f"m{index}": 0.0 for index in range(MAX_METRICS)},
        num_left_out=0,
        env_id=0,
    )
