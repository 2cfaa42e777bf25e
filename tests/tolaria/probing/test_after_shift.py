"""Damage in the first steps after an announced shift, before the detector knows the new level, is noticed with a probe."""

import pytest

from esper._generated.enums import LossSeries, PanicReason, Severity
from esper._generated.governor import GovernorClearedPayload, GovernorRollbackPayload
from esper.tolaria.probing.after_shift import AfterShift
from tests.tolaria.disk import through_disk
from tests.tolaria.probing.test_examiner import ProbedLoop, ready

NUM_STEPS = 400
LEVEL = 1.0
HIGH = 4.0
"""Clearly above the level, and below what is gross for a detector that does not know the level."""


def after_a_shift(*first_losses):
    """Return a loop that has taken steps with these losses since a shift."""
    loop = ready(NUM_STEPS)
    loop.governor.expect_shift()
    for loss in first_losses:
        assert loop.step(loss, batch=(loss, loss)).may_step
    return loop


def test_damage_right_after_a_shift_is_undone():
    loop = after_a_shift(LEVEL)

    severities = [loop.step(HIGH, batch=(HIGH, LEVEL)).severity.name for _ in range(4)]

    assert "ROLLBACK" in severities
    report = loop.channel.of(GovernorRollbackPayload)[0]
    assert report.reason is PanicReason.DIVERGENCE
    assert loop.model.weight[0, 0] == report.to_step


def test_after_a_rollback_the_losses_of_the_damaged_steps_are_no_measure():
    watch = AfterShift()
    watch.note_shift(LEVEL, 0.1, next_snapshot_id=3)
    for loss in (LEVEL, HIGH):
        watch.note_healthy(loss)
    assert not watch.has_jumped(HIGH, 0.1)

    watch.note_rollback()

    assert watch.has_jumped(HIGH, 0.1)


def test_other_data_after_a_shift_are_not_undone():
    loop = after_a_shift(LEVEL)

    for _ in range(20):
        assert loop.step(HIGH, batch=(HIGH, HIGH)).may_step

    assert loop.governor.last_rollback is None


def test_weights_that_the_shift_has_made_worse_on_purpose_are_no_damage():
    """The snapshots of before do better, as they do after pruning, so that a high loss is no reason to restore them."""
    loop = after_a_shift(HIGH, HIGH)

    for loss in (6.0, 5.5, 5.0, 6.0):
        assert loop.step(loss, batch=(loss, LEVEL)).may_step

    assert loop.governor.last_rollback is None


def test_a_snapshot_of_after_the_shift_is_a_measure_all_the_same():
    loop = ready(NUM_STEPS)
    loop.governor.expect_shift()
    loop.governor.snapshot()
    for _ in range(6):
        loop.step(2.0, batch=(2.0, 2.0))

    for _ in range(4):
        loop.step(HIGH, batch=(HIGH, 2.0))

    (report,) = loop.channel.of(GovernorRollbackPayload)
    assert report.to_step == NUM_STEPS


@pytest.mark.parametrize("is_known", [True, False], ids=["saved", "saved by an earlier version"])
def test_the_losses_since_a_shift_survive_a_checkpoint(is_known):
    loop, resumed = after_a_shift(LEVEL), ProbedLoop()
    resumed.model.load_state_dict(loop.model.state_dict())
    state = loop.governor.state_dict()
    if not is_known:
        del state["scrutiny"]["examiner"]["after_shift"]
    resumed.governor.load_state_dict(through_disk(state))

    verdicts = [resumed.step(HIGH, batch=(HIGH, LEVEL)) for _ in range(4)]

    assert any(verdict.needs_rollback for verdict in verdicts) is is_known


def after_checks():
    """Return a loop with a known level of validation losses and a shift, and a validation batch of high losses."""
    loop = ready(NUM_STEPS)
    for _ in range(12):
        assert loop.governor.check_vital_signs(LEVEL, batches=[(LEVEL, LEVEL)] * 4).may_step
    loop.governor.expect_shift()
    loop.step(LEVEL, batch=(LEVEL, LEVEL))
    return loop


def test_the_first_check_after_a_shift_is_compared_if_its_loss_is_high():
    loop = after_checks()

    verdict = loop.governor.check_vital_signs(HIGH, batches=[(HIGH, LEVEL)] * 4)

    assert verdict.needs_rollback
    assert verdict.evidence.difference_low > 0.0


def test_a_new_level_of_validation_losses_after_a_shift_is_compared_once():
    loop = after_checks()

    verdicts = [loop.governor.check_vital_signs(HIGH, batches=[(HIGH, HIGH)] * 4) for _ in range(6)]

    assert {verdict.severity for verdict in verdicts} == {Severity.OK}
    assert [cleared.series for cleared in loop.channel.of(GovernorClearedPayload)] == [
        LossSeries.CHECKS
    ]
