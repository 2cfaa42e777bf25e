"""A task and a policy of the user's own, trained from Python in a run folder."""

import logging
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


class Hoarder(Planter):
    """Remembers something that a checkpoint cannot hold."""

    def state_dict(self):
        return {"memory": {"o": object()}}


class Counting:
    """Only counts; has no seeds."""

    def __init__(self) -> None:
        self.count = 0

    def decide(self, signals):
        self.count += 1
        return []

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def short_run(tmp_path, policy, epochs=2) -> Path:
    esper.register_task(BLOBS)
    settings = esper.RunSettings(epochs=epochs, has_baseline=False)
    return esper.run_task(BLOBS, settings, policy=policy, run_dir=tmp_path).folder


def test_a_policy_whose_state_cannot_be_saved_fails_at_the_first_checkpoint(tmp_path):
    with pytest.raises(
        esper.CheckpointError, match=r"builtins\.object at trainer\.policy\.memory\.o; convert it"
    ):
        short_run(tmp_path, Hoarder())

    (folder,) = tmp_path.iterdir()
    story = esper.read_story(folder)
    assert (story.outcome, story.epochs_completed) == (RunOutcome.FAILED, 1)


def test_only_damaged_checkpoints_do_not_start_the_run_over(tmp_path, caplog):
    folder = short_run(tmp_path, Planter())
    num_events = esper.read_story(folder).num_events
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"damaged")

    message = r"got only damaged ones: .*epoch-000002\.pt .*; .*epoch-000001\.pt .*; restore one"
    with pytest.raises(esper.CheckpointError, match=message):
        esper.resume_run(folder, policy=Planter(), epochs=4)

    assert esper.read_story(folder).num_events == num_events
    assert esper.load(folder) is not None


def test_a_damaged_checkpoint_is_warned_of_and_skipped(tmp_path, caplog):
    folder = short_run(tmp_path, Planter())
    (folder / "checkpoints" / "epoch-000002.pt").write_bytes(b"damaged")
    lines = []

    with caplog.at_level(logging.WARNING, "esper"):
        esper.resume_run(folder, policy=Planter(), epochs=3, notify=lines.append)

    (warning,) = [record for record in caplog.records if record.name == "esper"]
    assert "skipped a checkpoint" in warning.getMessage()
    assert "epoch-000002.pt must match its checksum" in warning.getMessage()
    assert lines[0].startswith("skipped: ")
    assert lines[1] == f"{folder.name} continues after epoch 1."


@pytest.mark.parametrize(
    ("trained_with", "resumed_with", "message"),
    [
        (Planter, Counting, "its own class, Planter, got a Counting; pass a new Planter"),
        (
            Planter,
            None,
            "trained with a policy must be resumed with one, got policy=None; pass a new Planter",
        ),
        (None, Counting, "trained without a policy must be resumed without one, got a Counting"),
    ],
)
def test_a_run_is_not_resumed_with_another_policy(tmp_path, trained_with, resumed_with, message):
    folder = short_run(tmp_path, trained_with and trained_with())
    before = esper.read_story(folder)

    with pytest.raises(esper.CheckpointError, match=message):
        esper.resume_run(folder, policy=resumed_with and resumed_with(), epochs=4)

    assert esper.read_story(folder) == before


def test_a_policy_that_cannot_load_its_state_is_named(tmp_path):
    folder = short_run(tmp_path, Planter())

    class Renamed(Planter):
        """Looks for an entry that was not saved."""

        def load_state_dict(self, state):
            self.num_decisions = state["decisions"]

    Renamed.__name__ = "Planter"
    with pytest.raises(esper.CheckpointError, match="got KeyError: 'decisions' from Planter"):
        esper.resume_run(folder, policy=Renamed(), epochs=4)


def test_arguments_of_another_kind_are_refused_before_a_folder_is_made(tmp_path):
    def run(task=BLOBS, settings=None, **others):
        esper.run_task(task, settings, run_dir=tmp_path, **{"policy": None, **others})

    for arguments, message in (
        (
            {"task": "digits"},
            r"a task must be a Task, got 'digits'; pass esper\.get_task\('digits'\)",
        ),
        ({"task": "quad"}, r"a task must be a Task, got 'quad'; build one with esper\.Task"),
        (
            {"settings": {"epochs": 1}},
            r"settings must be of type RunSettings, got .* dict; write RunS",
        ),
        ({"settings": {}}, r"settings must be of type RunSettings, got .* dict"),
        (
            {"sinks": esper.MemorySink()},
            r"sinks must be a list of sinks, .* MemorySink; write \[sink\]",
        ),
        (
            {"baseline_sinks": [3]},
            "a sink must have write, close, got 3 without write, close; pass",
        ),
        ({"sinks": [esper.MemorySink]}, r"got the class MemorySink; write MemorySink\(\)"),
        ({"policy": esper.HeuristicPolicy}, r"got the class HeuristicPolicy; write Heur.*\(\)"),
        (
            {"policy": object()},
            "must have decide, state_dict, load_state_dict, got .* without decide",
        ),
        ({"should_stop": True}, "`should_stop` must be a function, got True"),
    ):
        with pytest.raises(esper.UsageError, match=message):
            run(**arguments)
    with pytest.raises(esper.UsageError, match="`run_dir` must be a path, got 3"):
        esper.run_task(BLOBS, policy=None, run_dir=3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("decided", "message"),
    [
        (None, "must return a list of actions, got None from Answering; return \\[\\]"),
        (
            esper.Advance(slot_id="only"),
            "must return a list of actions, got a value of type Advance",
        ),
        ("advance", "must return a list of actions, got 'advance'"),
        (
            ["advance"],
            "must be a Germinate, an Advance, a Prune or a Rejuvenate, got 'advance' from Answering",
        ),
        ([esper.Advance(slot_id=["only"])], "no slot .* in the host; it has: only"),
        (
            [esper.Germinate(slot_id="only", blueprint_id="norm", blend_tempo_epochs=2.5)],
            "blend_tempo_epochs must be a whole number, got 2.5",
        ),
    ],
)
def test_anything_but_actions_from_a_policy_is_refused(tmp_path, decided, message):
    class Answering(Counting):
        """Returns what it was given."""

        def decide(self, signals):
            return decided

    with pytest.raises(esper.EsperError, match=message):
        short_run(tmp_path, Answering())


def test_a_policy_without_a_mapping_as_its_state_is_refused(tmp_path):
    class Forgetful(Counting):
        """Returns nothing as its state."""

        def state_dict(self):
            pass

    message = "must return a mapping, got None from Forgetful; return {}"
    with pytest.raises(esper.UsageError, match=message):
        short_run(tmp_path, Forgetful())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 1}, "`epochs` may only be raised on resume, got 1 after 2"),
        ({"epochs": "3"}, "epochs must be of type int, got '3'"),
        ({}, "has completed all 2; try `epochs=4`"),
        ({"device": "abacus"}, "`device` must be usable here"),
        ({"epochs": 3, "sinks": [3]}, "a sink must have write, close"),
    ],
)
def test_errors_of_a_resumed_run_name_the_argument(tmp_path, arguments, message):
    folder = short_run(tmp_path, None)

    with pytest.raises(esper.UsageError, match=message):
        esper.resume_run(folder, policy=None, **arguments)


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


def test_a_warning_about_a_file_holds_no_control_characters(tmp_path, caplog):
    esper.register_task(BLOBS)
    folder = short_run(tmp_path / "\x1b[31mred", Planter())
    (folder / "checkpoints" / "epoch-000002.pt").write_bytes(b"damaged")

    with caplog.at_level(logging.WARNING, "esper"):
        esper.resume_run(folder, policy=Planter(), epochs=3)

    assert r"\x1b[31mred" in caplog.text
    assert "\x1b" not in caplog.text
