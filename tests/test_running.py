"""A task and a policy of the user's own, trained from Python in a run folder."""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import esper
from esper.cli import main
from esper.telemetry import RunOutcome
from esper.tolaria.tasks import registry
from esper.tolaria.training.model_file import load_model


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """Let each test register tasks that later tests do not see."""
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))


def load_blobs() -> tuple[esper.Samples, esper.Samples]:
    """Return two clouds of points, as 3-channel images of one pixel."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(300) % 2
    inputs = torch.randn(300, 3, 1, 1, generator=generator) + 2.0 * targets.reshape(-1, 1, 1, 1)
    return tuple(
        esper.Samples(inputs=inputs[part], targets=targets[part])
        for part in (slice(200), slice(200, None))
    )


def build_host() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), esper.SeedSlot("only", channels=4), nn.Flatten(), nn.Linear(4, 2)
    )


BLOBS = esper.Task(
    name="blobs", load_samples=load_blobs, build_host=build_host, num_classes=2, epochs=6
)


class Planter:
    """Plants one seed in the first epoch and advances it whenever a gate opens."""

    def __init__(self) -> None:
        self.num_decisions = 0

    def decide(self, signals):
        self.num_decisions += 1
        for slot in signals.slots:
            if slot.stage is not esper.SeedStage.DORMANT:
                return [esper.Advance(slot_id=slot.slot_id)]
            if signals.may_germinate:
                return [
                    esper.Germinate(slot_id=slot.slot_id, blueprint_id="norm", blend_tempo_epochs=3)
                ]
        return []

    def state_dict(self):
        return {"num_decisions": self.num_decisions}

    def load_state_dict(self, state):
        self.num_decisions = state["num_decisions"]


def test_a_run_leaves_a_folder_that_can_be_read_and_loaded(tmp_path):
    sink = esper.MemorySink()
    esper.register_task(BLOBS)

    story = esper.run_task(BLOBS, policy=Planter(), run_dir=tmp_path, sinks=[sink])

    assert story.outcome is RunOutcome.COMPLETED
    assert (story.epochs_completed, story.started.task) == (6, "blobs")
    assert story.slots[0].seeds[0].blueprint_id == "norm"
    assert story.host_accuracy > 80.0
    assert len(sink.events) == story.num_events
    assert esper.read_story(story.folder) == story
    model = esper.load(story.folder)
    assert model[1].seed is not None
    assert model(load_blobs()[1].inputs).shape == (100, 2)


def test_without_a_policy_the_host_trains_alone(tmp_path):
    story = esper.run_task(
        BLOBS, esper.RunSettings(epochs=2, seed=1), policy=None, run_dir=tmp_path
    )

    assert story.count_seeds(esper.SeedStage.GERMINATED) == 0
    assert story.host_accuracy is None
    assert story.epochs_completed == 2


def test_a_run_is_resumed_with_the_memory_of_its_policy(tmp_path):
    esper.register_task(BLOBS)
    esper.run_task(BLOBS, esper.RunSettings(epochs=2), policy=Planter(), run_dir=tmp_path)
    policy, lines = Planter(), []

    story = esper.resume_run(
        "latest", policy=policy, epochs=4, run_dir=tmp_path, notify=lines.append
    )

    assert policy.num_decisions == 4
    assert story.epochs_completed == 4
    assert lines == [f"{story.folder.name} continues after epoch 2."]


def test_a_task_that_is_not_registered_is_refused_with_the_remedy(tmp_path):
    story = esper.run_task(
        BLOBS, esper.RunSettings(epochs=1, has_baseline=False), policy=None, run_dir=tmp_path
    )

    message = r'the task "blobs", which is not registered here; call esper\.register_task'
    with pytest.raises(esper.CheckpointError, match=message):
        esper.load(story.folder)
    with pytest.raises(esper.UsageError, match='no task "blobs"; there are: digits'):
        esper.resume_run(story.folder, policy=None)


def test_a_registered_task_can_be_trained_by_the_command_line(tmp_path, capsys):
    esper.register_task(BLOBS)

    arguments = ["--task", "blobs", "--epochs", "1", "--no-baseline", "--run-dir", str(tmp_path)]
    assert main(["train", *arguments]) == 0

    assert "blobs" in capsys.readouterr().out


def test_settings_that_cannot_be_used_leave_no_folder(tmp_path):
    settings = esper.RunSettings(device="abacus")

    with pytest.raises(esper.UsageError, match='must be usable here, got "abacus"'):
        esper.run_task(BLOBS, settings, policy=None, run_dir=tmp_path / "runs")

    assert list(Path(tmp_path).iterdir()) == []


def test_a_policy_that_fails_leaves_the_log_of_a_failed_run(tmp_path):
    class Confused(Planter):
        """Advances a slot that the host does not have."""

        def decide(self, signals):
            return [esper.Advance(slot_id="other")]

    with pytest.raises(esper.SlotError, match='no slot "other" in the host; it has: only'):
        esper.run_task(BLOBS, policy=Confused(), run_dir=tmp_path)

    (folder,) = tmp_path.iterdir()
    assert esper.read_story(folder).outcome is RunOutcome.FAILED


def test_a_folder_that_is_deleted_during_the_run_is_made_again(tmp_path, caplog):
    class Deleter(Planter):
        """Deletes all runs in the third epoch."""

        def decide(self, signals):
            if signals.epoch == 3:
                shutil.rmtree(next(tmp_path.iterdir()))
            return super().decide(signals)

    esper.register_task(BLOBS)
    # The log that was deleted is not this test's subject.
    with suppress(esper.EsperError):
        esper.run_task(BLOBS, policy=Deleter(), run_dir=tmp_path)

    (folder,) = tmp_path.iterdir()
    assert "was deleted while the run trains; it has been made again" in caplog.text
    assert load_model(folder)[1].seed is not None
    assert (folder / "settings.json").exists()


def test_a_renamed_run_cannot_be_resumed(tmp_path):
    esper.register_task(BLOBS)
    story = esper.run_task(BLOBS, esper.RunSettings(epochs=1), policy=None, run_dir=tmp_path)
    story.folder.rename(tmp_path / "renamed")

    with pytest.raises(esper.UsageError, match=f"got renamed for the run {story.folder.name}"):
        esper.resume_run("renamed", policy=None, run_dir=tmp_path, epochs=2)


@pytest.mark.parametrize("seed", [2**44, 2**63 - 1])
def test_large_seeds_train(tmp_path, seed):
    settings = esper.RunSettings(epochs=1, seed=seed)

    assert esper.run_task(BLOBS, settings, policy=None, run_dir=tmp_path).started.seed == seed


def test_a_start_that_fails_leaves_no_folder(tmp_path):
    def fail():
        raise RuntimeError("no host")

    broken = replace(BLOBS, build_host=fail)

    with pytest.raises(RuntimeError, match="no host"):
        esper.run_task(broken, policy=None, run_dir=tmp_path)

    assert list(tmp_path.iterdir()) == []
