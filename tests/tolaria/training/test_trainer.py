"""The training loop: failed snapshots, policies, and states of other networks."""

import math
from dataclasses import replace

import pytest

from esper._generated.enums import RunOutcome, SnapshotFault
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
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer, build_detector

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
