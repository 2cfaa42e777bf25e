"""`esper train`, run as a user runs it."""

import json
import re

import pytest
import torch

import esper
from esper.cli import main
from esper.tolaria.tasks.digits import DIGITS
from tests.commands.logs import log_of, payloads_of, without_varying


def train(folder, *arguments: str) -> list[dict]:
    """Train and return the lines of the log."""
    assert main(["train", "--run-dir", str(folder), *arguments]) == 0
    return log_of(folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> list[dict]:
    """The log of a complete run without faults."""
    return train(tmp_path_factory.mktemp("clean"), "--no-baseline")


def final_accuracy(log: list[dict]) -> float:
    (finished,) = payloads_of(log, "RUN_FINISHED")
    return finished["val_accuracy"]


def test_every_seed_is_kept_or_pruned(clean):
    """Whether a seed of this run is kept depends on the evidence."""
    kept, pruned = (payloads_of(clean, f"SEED_{end}") for end in ("FOSSILIZED", "PRUNED"))

    assert len(kept) + len(pruned) == len(payloads_of(clean, "SEED_GERMINATED")) >= 1


def test_the_log_is_numbered_without_a_gap(clean):
    assert [line["seq"] for line in clean] == list(range(len(clean)))


def test_every_event_has_its_environment_and_is_valid(clean):
    assert {line["payload"]["env_id"] for line in clean if "env_id" in line["payload"]} == {0}
    assert payloads_of(clean, "TELEMETRY_REJECTED") == []


def test_the_same_seed_gives_the_same_log(clean, tmp_path):
    again = train(tmp_path, "--no-baseline")

    assert without_varying(again) == without_varying(clean)


def test_a_nan_is_rolled_back_once(clean, tmp_path):
    log = train(tmp_path, "--no-baseline", "--inject-fault", "nan@12")

    (rollback,) = payloads_of(log, "GOVERNOR_ROLLBACK")
    assert rollback["consecutive_panics"] == 1
    assert rollback["reason"] == "NAN"
    assert '"env_id":-1' not in json.dumps(log, separators=(",", ":"))
    # Four images of 360 are 1.1 points, and runs that differ by their random numbers scatter by about as much.
    assert abs(final_accuracy(log) - final_accuracy(clean)) <= 2.0


def test_a_spike_is_rolled_back(clean, tmp_path):
    log = train(tmp_path, "--no-baseline", "--inject-fault", "spike@15")

    assert len(payloads_of(log, "GOVERNOR_ROLLBACK")) >= 1
    assert abs(final_accuracy(log) - final_accuracy(clean)) <= 1.0


def test_the_summary_compares_with_the_host_alone(tmp_path, capsys):
    train(tmp_path, "--epochs", "3")

    shown = capsys.readouterr().out

    assert re.search(r"host alone\D*\d+\.\d", shown)
    assert "growing: epoch 3/3" in shown
    assert main(["summary", "latest", "--run-dir", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["baseline_accuracy"] > 0


def test_the_grown_network_can_be_loaded(tmp_path):
    log = train(tmp_path, "--no-baseline", "--epochs", "30")

    model = esper.load("latest", run_dir=tmp_path)

    _, validation, _ = DIGITS.load_samples()
    with torch.inference_mode():
        hits = model(validation.inputs).argmax(dim=1) == validation.targets
    assert 100.0 * hits.double().mean().item() == pytest.approx(final_accuracy(log))
    assert not model.training
