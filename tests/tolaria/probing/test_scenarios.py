"""Real small trainings: other data are told from damaged weights, with a probe and without one."""

import pytest

from esper._generated.enums import ClearedBy, Severity
from esper._generated.governor import GovernorClearedPayload, GovernorRollbackPayload
from esper.tolaria.recovery.config import GovernorConfig
from tests.tolaria.networks import same, state_of
from tests.tolaria.probing.digits_loop import CHANGE_STEP, train

HEALTHY = [
    "clean",
    "curriculum",
    "class incremental",
    "new labels",
    "augmentation",
    "bad batches",
    "tasks in blocks",
]
DAMAGE = ["learning rate x100", "wiped", "noisy weights"]


@pytest.mark.parametrize("kind", HEALTHY)
@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("seed", range(4))
def test_with_a_probe_other_data_lead_to_no_rollback_and_change_nothing(kind, reduction, seed):
    governed = train(kind, seed=seed, reduction=reduction)

    plain = train(kind, seed=seed, is_governed=False)
    assert governed.rollback_steps == []
    assert governed.losses == plain.losses
    assert same(state_of(governed.model), state_of(plain.model))


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("reduction", ["none", "mean"])
@pytest.mark.parametrize("seed", range(4))
def test_with_a_probe_damage_is_undone_with_evidence(kind, reduction, seed):
    result = train(kind, seed=seed, reduction=reduction)

    assert result.rollback_steps
    assert result.rollback_steps[0] <= CHANGE_STEP + 25
    for payload in result.channel.of(GovernorRollbackPayload):
        evidence = payload.evidence
        assert evidence.difference > evidence.margin
        assert evidence.difference_low > 0.0
        assert 2 <= evidence.num_batches <= 4
    assert sum(result.losses[-20:]) / 20 < 0.6


@pytest.mark.parametrize("kind", ["curriculum", "class incremental", "new labels", "augmentation"])
@pytest.mark.parametrize("seed", range(2))
def test_without_a_probe_a_rollback_that_changes_nothing_is_not_repeated_for_ever(kind, seed):
    result = train(kind, seed=seed)

    assert len(result.rollback_steps) <= 3
    assert result.governor.stop_report is None
    cleared = result.channel.of(GovernorClearedPayload)
    assert {payload.by for payload in cleared} <= {ClearedBy.RETURN, ClearedBy.TRAVEL}


@pytest.mark.parametrize("kind", ["curriculum", "new labels", "augmentation"])
@pytest.mark.parametrize("seed", range(2))
def test_without_a_probe_announced_data_lead_to_no_rollback(kind, seed):
    result = train(kind, seed=seed, is_announced=True)

    assert result.rollback_steps == []


@pytest.mark.parametrize("kind", ["wiped", "learning rate x100", "new labels"])
def test_a_governor_that_only_watches_changes_nothing_and_says_what_it_would_have_done(kind):
    watched = train(kind, reduction="none", config=GovernorConfig(mode="watch"))

    plain = train(kind, is_governed=False)
    assert watched.losses == plain.losses
    assert watched.rollback_steps == []
    assert "GOVERNOR_ROLLBACK" not in {payload.EVENT for payload in watched.channel.payloads}
    panics = [one for one in watched.channel.payloads if one.EVENT == "GOVERNOR_PANIC"]
    assert {panic.severity for panic in panics} <= {Severity.PANIC}
    report = watched.governor.watch_report
    assert ("ROLLBACK for" in str(report)) is (kind != "new labels")
    assert f"watched {len(plain.losses)} steps and did nothing; would have done: " in str(report)


def test_a_run_whose_probe_is_never_needed_is_equal_to_one_without_a_probe():
    with_probe, without = train("clean", reduction="none"), train("clean")

    assert with_probe.losses == without.losses
    assert same(state_of(with_probe.model), state_of(without.model))
