"""The training loop survives what happens to its governor's snapshots."""

import pytest

from esper._generated.enums import RunOutcome, SnapshotFault
from esper._generated.governor import GovernorSnapshotFailedPayload
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tamiyo.heuristic import HeuristicPolicy
from esper.tolaria.snapshots.buffers import SnapshotBuffers
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.config import TrainConfig
from esper.tolaria.training.trainer import Trainer


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
            TrainConfig(epochs=3, seed=0),
            DIGITS.load_samples(),
            policy=HeuristicPolicy(),
            channel=hub.channel(env_id=0),
        )
        assert trainer.fit() is RunOutcome.COMPLETED

    faults = {payload.fault for payload in memory.of(GovernorSnapshotFailedPayload)}
    assert faults == {SnapshotFault.NOT_COPIED}
