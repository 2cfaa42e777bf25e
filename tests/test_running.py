"""A task and a policy of the user's own, trained from Python in a run folder."""

from pathlib import Path

import pytest
import torch
from torch import nn

import esper
from esper.cli import main
from esper.telemetry import RunOutcome
from esper.tolaria.tasks import registry


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
    story = esper.read_story(folder)
    assert story.outcome is RunOutcome.FAILED
    assert story.finished.error_type == "esper.leyline.errors.SlotError"
    assert story.finished.error_message == 'no slot "other" in the host; it has: only'


def test_the_place_of_a_failure_is_in_the_users_code(tmp_path):
    class Broken(Planter):
        """Fails in its second epoch."""

        def decide(self, signals):
            return [] if signals.epoch == 1 else 1 / 0

    with pytest.raises(ZeroDivisionError):
        esper.run_task(BLOBS, policy=Broken(), run_dir=tmp_path)

    (folder,) = tmp_path.iterdir()
    finished = esper.read_story(folder).finished
    assert (finished.error_type, finished.error_message) == (
        "ZeroDivisionError",
        "division by zero",
    )
    assert finished.error_place.startswith(f"{__file__}:")


def test_an_interrupt_within_an_epoch_is_not_a_failure(tmp_path):
    class Impatient(Planter):
        """Ends the run as the second Ctrl-C does."""

        def decide(self, signals):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        esper.run_task(BLOBS, policy=Impatient(), run_dir=tmp_path)

    (folder,) = tmp_path.iterdir()
    finished = esper.read_story(folder).finished
    assert (finished.outcome, finished.error_type) == (RunOutcome.INTERRUPTED, None)
