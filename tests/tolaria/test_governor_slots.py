"""Tests of the governor with a growing network: slots stay consistent, and fossils are kept."""

import math

import pytest
import torch

from esper._generated.enums import SeedStage
from esper._generated.governor import GovernorRollbackPayload, GovernorSnapshotPayload
from esper._generated.lifecycle import SeedPrunedPayload
from esper.leyline.lifecycle import has_seed
from esper.tolaria.detection.detector import SigmaDetector
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from tests.tolaria.curves import healthy_losses
from tests.tolaria.networks import SlottedNet, fossilise, same, scramble, state_of, stored_snapshots
from tests.tolaria.recording_channel import RecordingChannel


def governed(**settings) -> tuple[SlottedNet, TolariaGovernor, RecordingChannel]:
    """Return a network with slots, its governor after ten healthy checks, and the channel that both emit to."""
    torch.manual_seed(0)
    model, channel = SlottedNet(), RecordingChannel()
    detector = SigmaDetector(random_guess_loss=math.log(10))
    governor = TolariaGovernor(model, detector=detector, channel=channel, **settings)
    for slot in (model.early, model.late):
        slot.channel = channel
    for _ in range(10):
        governor.check_vital_signs(1.0)
    return model, governor, channel


def advance_to_training(slot) -> None:
    """Plant a seed and advance it to TRAINING."""
    slot.germinate("norm")
    assert slot.advance_stage().passed
    assert slot.stage is SeedStage.TRAINING


def test_a_live_seed_is_pruned_and_its_slot_becomes_free_again():
    model, governor, _ = governed()
    advance_to_training(model.early)
    governor.snapshot()

    report = governor.execute_rollback()

    assert report.pruned_slots == ("early",)
    assert model.early.stage is SeedStage.PRUNED
    assert model.early.seed is None
    for _ in range(10):
        model.early.step_epoch()
    model.early.germinate("norm")


@pytest.mark.parametrize("stage", [stage for stage in SeedStage if has_seed(stage)])
def test_after_a_rollback_a_slot_has_a_seed_only_in_a_stage_that_implies_one(stage):
    model, governor, _ = governed()
    governor.snapshot()
    model.late.germinate("norm", blend_tempo_epochs=1)
    while model.late.stage is not stage:
        model.late.record_accuracy(10.0 * (1 + model.late.epochs_total))
        model.late.record_contribution(5.0)
        model.late.step_epoch()
        model.late.advance_stage()

    governor.execute_rollback()

    assert (model.late.seed is not None) == has_seed(model.late.stage)
    is_fossil = stage is SeedStage.FOSSILIZED
    assert model.late.stage is (SeedStage.FOSSILIZED if is_fossil else SeedStage.PRUNED)


def test_a_rollback_does_not_interrupt_the_cool_down_of_a_slot():
    model, governor, _ = governed()
    governor.snapshot()
    model.early.germinate("norm")
    model.early.prune()
    model.early.step_epoch()

    report = governor.execute_rollback()

    assert report.pruned_slots == ()
    assert model.early.stage is SeedStage.EMBARGOED


def test_a_fossil_younger_than_the_snapshot_keeps_its_stage_and_its_weights():
    model, governor, _ = governed()
    governor.snapshot()
    host = state_of(model.stem)
    fossilise(model.late)
    governor.snapshot()
    fossil = state_of(model.late)
    scramble(model)
    stored_snapshots(governor)[0].buffers.view("stem.weight")[0] += 1
    governor.check_vital_signs(math.nan)
    with_corrupt_newest = governor.execute_rollback()

    assert with_corrupt_newest.kept_fossils == ("late",)
    assert model.late.stage is SeedStage.FOSSILIZED
    assert same(state_of(model.stem), host)
    assert not same(state_of(model.late), fossil)


def test_a_young_fossil_survives_repeated_rollbacks():
    model, governor, channel = governed()
    for _ in range(3):
        governor.snapshot()
    fossilise(model.late)
    governor.snapshot()
    fossil = state_of(model.late)

    for _ in range(4):
        scramble(model)
        governor.check_vital_signs(math.nan)
        governor.execute_rollback()

        assert same(state_of(model.late), fossil)
    kept = [payload.kept_fossils for payload in channel.of(GovernorRollbackPayload)]
    # After the second rollback the best snapshot is restored, which holds the fossil.
    assert kept == [(), ("late",), (), ()]


def test_a_fossil_without_sound_weights_anywhere_is_removed_and_reported():
    model, governor, channel = governed()
    governor.snapshot()
    fossilise(model.late)
    next(model.late.parameters()).data.fill_(torch.nan)

    report = governor.execute_rollback()

    assert report.removed_fossils == ("late",)
    assert model.late.stage is SeedStage.PRUNED
    (payload,) = channel.of(SeedPrunedPayload)
    assert (payload.slot_id, payload.initiator, payload.auto_pruned) == ("late", "governor", True)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([math.nan], "governor_nan"),
        ([math.log(10)], "governor_lobotomy"),
        ([50.0] * 3, "governor_divergence"),
        ([], "governor_rollback"),
    ],
)
def test_a_pruned_seed_reports_initiator_and_reason(losses, reason):
    model, governor, channel = governed()
    governor.snapshot()
    advance_to_training(model.early)
    for loss in losses:
        governor.check_vital_signs(loss)

    governor.execute_rollback()

    (payload,) = channel.of(SeedPrunedPayload)
    assert (payload.reason, payload.initiator) == (reason, "governor")


def test_weights_are_restored_before_seeds_are_pruned_and_the_rollback_is_emitted_last():
    model, governor, channel = governed()
    governor.snapshot()
    advance_to_training(model.early)
    before = state_of(model.stem)
    scramble(model)
    seen = []
    send = channel.send
    channel.send = lambda payload: (seen.append(same(state_of(model.stem), before)), send(payload))

    governor.execute_rollback()

    assert seen
    assert all(seen)
    assert channel.events[-2:] == ["SEED_PRUNED", "ROLLBACK"]


def test_fossilising_takes_a_snapshot_before_the_next_step():
    model, governor, channel = governed()
    governor.before_step(1.0)
    governor.after_step()
    fossilise(model.early)

    governor.before_step(1.0)

    assert channel.of(GovernorSnapshotPayload)[-1].fossilized_seeds == ("early",)
    taken = len(channel.of(GovernorSnapshotPayload))
    governor.after_step()
    governor.before_step(1.0)
    assert len(channel.of(GovernorSnapshotPayload)) == taken


def test_a_broken_fossil_is_detected_before_the_next_step():
    model, governor, _ = governed()
    governor.before_step(1.0)
    governor.after_step()
    fossilise(model.early)
    next(model.early.parameters()).data.fill_(torch.nan)

    verdict = governor.before_step(1.0)

    assert (verdict.severity.name, verdict.reason.name) == ("ROLLBACK", "WEIGHTS")
    assert governor.last_rollback.removed_fossils == ("early",)


@pytest.mark.parametrize(("num_rollbacks", "num_epochs"), [(1, 2), (2, 2), (3, 4)])
def test_no_seed_may_be_planted_for_some_epochs_after_a_rollback(num_rollbacks, num_epochs):
    escalation = EscalationConfig(settle_epochs=2, hold_epochs=4)
    _, governor, _ = governed(config=GovernorConfig(escalation=escalation))
    governor.snapshot()
    assert governor.may_germinate
    for _ in range(num_rollbacks):
        governor.check_vital_signs(math.nan)
        governor.execute_rollback()

    for loss in healthy_losses(num_epochs):
        assert not governor.may_germinate
        governor.check_vital_signs(loss)

    assert governor.may_germinate
