"""The training loop: failed snapshots, policies, and states of other networks."""

import math
from dataclasses import replace

import pytest
import torch

from esper._generated.enums import RunOutcome, SeedStage, SnapshotFault
from esper._generated.governor import GovernorSnapshotFailedPayload
from esper.kasmina.hosts.cnn import CNNHost
from esper.leyline.actions import Germinate
from esper.leyline.channel import SILENT
from esper.leyline.errors import CheckpointError, SlotError
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.detection.limits import RobustConfig
from esper.tolaria.snapshots.buffers import SnapshotBuffers
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.build import build_detector
from esper.tolaria.training.model_file import load_model, save_model
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer
from tests.kasmina.lives import PERMISSIVE, lead_to

TINY = replace(DIGITS, epochs=2, batch_size=512)
"""A task that trains in a moment."""


@pytest.mark.parametrize("first_failure", [1, 2])
def test_a_snapshot_that_cannot_be_copied_does_not_end_the_run(monkeypatch, first_failure):
    fill, calls = SnapshotBuffers.fill, []

    def sometimes(buffers):
        calls.append(buffers)
        if first_failure <= len(calls) - 1 < first_failure + 2:
            raise MemoryError("full")
        return fill(buffers)

    monkeypatch.setattr(SnapshotBuffers, "fill", sometimes)
    with Hub("test") as hub:
        memory = hub.attach(MemorySink())
        trainer = Trainer(
            DIGITS,
            RunSettings(epochs=3, seed=0),
            DIGITS.load_samples(),
            policy=HeuristicPolicy(),
            channel=hub.channel(env_id=0),
        )
        assert trainer.fit() is RunOutcome.COMPLETED

    faults = {payload.fault for payload in memory.of(GovernorSnapshotFailedPayload)}
    assert faults == {SnapshotFault.NOT_COPIED}


class PlantOnce:
    """Plants one seed in the given slot at the first epoch."""

    def __init__(self, slot_id: str) -> None:
        self._slot_id = slot_id

    def decide(self, signals):
        if signals.epoch > 1:
            return []
        return [Germinate(slot_id=self._slot_id, blueprint_id="conv_light", blend_tempo_epochs=3)]

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_trains_with_defaults_and_without_telemetry():
    trainer = Trainer(TINY, policy=PlantOnce("r0c0"))

    assert trainer.fit() is RunOutcome.COMPLETED
    assert trainer.epochs_completed == 2
    assert trainer.num_params > trainer.num_host_params
    assert SILENT.context.epoch is None


def test_an_action_for_a_slot_that_is_not_there_is_an_error():
    with pytest.raises(SlotError, match='no slot "r9c9" in the host; it has: r0c0, r0c1, r0c2'):
        Trainer(TINY, policy=PlantOnce("r9c9")).fit()


def test_the_state_of_another_network_is_rejected():
    other = Trainer(replace(TINY, build_host=lambda: CNNHost(base_channels=2)))
    state = other.state_dict()

    with pytest.raises(CheckpointError, match="a checkpoint must fit the task's host, got another"):
        Trainer(TINY).load_state_dict(state)


@pytest.mark.parametrize(("threshold", "expected"), [(None, 2 * math.log(10)), (7.0, 7.0)])
def test_the_sigma_detector_takes_its_threshold_from_the_task(threshold, expected):
    task = replace(TINY, absolute_loss_threshold=threshold)
    detector = build_detector(task, "sigma", RobustConfig())
    for _ in range(20):
        verdict = detector.check(0.5)

    assert verdict.loss_threshold == pytest.approx(expected)


def host_with_a_fossil():
    host = DIGITS.build_host()
    slot = host.slots["r0c0"]
    slot.gates = PERMISSIVE
    lead_to(slot, SeedStage.FOSSILIZED)
    return host


def group_names(trainer):
    return list(trainer.state_dict()["optimizer"])


def test_a_host_with_a_fossil_is_grown_again():
    trainer = Trainer(replace(TINY, build_host=host_with_a_fossil), policy=PlantOnce("r0c1"))
    fossil = [one.detach().clone() for one in trainer.slots["r0c0"].seed_parameters()]

    assert trainer.fit() is RunOutcome.COMPLETED

    assert group_names(trainer) == ["host", "slot:r0c0:r0c0-norm", "slot:r0c1:r0c1-conv_light"]
    trained = trainer.slots["r0c0"].seed_parameters()
    assert not all(map(torch.equal, fossil, trained))
    assert trainer.num_params > trainer.num_host_params


def test_a_live_seed_of_the_host_is_trained_and_can_be_pruned():
    trainer = Trainer(replace(TINY, build_host=lambda: germinated(DIGITS.build_host())))
    assert group_names(trainer) == ["host", "slot:r0c0:r0c0-norm"]

    trainer.slots["r0c0"].prune()

    assert trainer.fit() is RunOutcome.COMPLETED
    assert group_names(trainer) == ["host"]


def germinated(host):
    lead_to(host.slots["r0c0"], SeedStage.TRAINING)
    return host


def test_a_loaded_network_is_trained_on(tmp_path):
    first = Trainer(replace(TINY, build_host=host_with_a_fossil), policy=PlantOnce("r0c1"))
    first.fit()
    save_model(first.model, tmp_path, task=DIGITS.name)

    second = Trainer(
        replace(TINY, build_host=lambda: load_model(tmp_path)), policy=PlantOnce("r0c2")
    )

    assert second.num_host_params == first.num_params
    assert second.fit() is RunOutcome.COMPLETED
    assert len(group_names(second)) == 4
