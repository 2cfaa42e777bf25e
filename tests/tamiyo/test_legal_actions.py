"""Whatever the signals are, every policy asks real slots only for what they can do, and resumes as if not interrupted."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper._generated.enums import EvidenceMode, SeedStage
from esper._generated.records import SeedEvidence
from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Advance, Germinate, Prune, Rejuvenate
from esper.leyline.script import Decision
from esper.leyline.signals import TrainingSignals
from esper.tamiyo.budget import GrowthBudget
from esper.tamiyo.controls import DeadSeedPolicy, RandomTimingPolicy
from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy
from esper.tamiyo.heuristic import HeuristicConfig, HeuristicPolicy
from esper.tamiyo.scripted import ScriptedPolicy
from esper.tolaria.training.growth import apply_actions
from esper.tolaria.training.signals import blueprint_sizes, slot_signals

HOST_PARAMS = 60
GATES = [QualityGates(permissive=True), QualityGates()]
LOSSES = st.floats(0.0, 3.0) | st.just(math.nan)
SCRIPTS = st.lists(
    st.builds(
        lambda epoch, action: Decision(epoch=epoch, action=action),
        st.integers(1, 12),
        st.sampled_from(
            [
                Germinate(slot_id="s0", blueprint_id="norm", blend_tempo_epochs=1),
                Germinate(slot_id="s1", blueprint_id="norm", blend_tempo_epochs=2),
                Advance(slot_id="s0"),
                Prune(slot_id="s1", reason="test"),
                Rejuvenate(),
            ]
        ),
    ),
    max_size=12,
)


def evidence_policy():
    # All that the rules can do happens in a short run.
    return EvidencePolicy(
        EvidenceConfig(
            cool_down_epochs=1,
            curve_window=1,
            memorised_share=0.0,
            min_share_left=0.1,
            min_share_between=0.1,
            max_failures=2,
            budget=GrowthBudget(growth=2.0, updates=900, seconds=800),
        )
    )


POLICIES = {
    "evidence": lambda _: evidence_policy(),
    "heuristic": lambda _: HeuristicPolicy(
        HeuristicConfig(
            blueprint_ids=("norm",), warm_up_epochs=0, min_epochs_left=1, cool_down_epochs=1
        )
    ),
    "random": lambda _: RandomTimingPolicy(num_rejuvenations=3, seed=3),
    "random like": RandomTimingPolicy.like,
    "dead": lambda _: DeadSeedPolicy(EvidenceConfig(memorised_share=0.0)),
    "scripted": ScriptedPolicy,
}
"""Policies by name; two of them are built from a script."""


def random_evidence(draw, slot):
    low, width = draw(st.tuples(st.floats(-0.5, 0.5), st.floats(0.0, 0.5)))
    return SeedEvidence(
        mode=EvidenceMode.SHADOW,
        difference=low + width / 2,
        low=low,
        high=low + width,
        confidence=0.95,
        num_samples=100,
        look=slot.epochs_in_stage + 1,
        seed_number=1,
        price=draw(st.sampled_from([0.0, 0.1])),
        num_params=1,
        duration_s=0.0,
    )


def signals_of(draw, slots, epoch, epochs):
    return TrainingSignals(
        epoch=epoch,
        epochs=epochs,
        val_loss=draw(LOSSES),
        val_accuracy=draw(st.floats(0.0, 100.0)),
        may_germinate=draw(st.booleans()) or draw(st.booleans()),
        slots=tuple(
            dataclasses.replace(
                slot_signals(
                    slot,
                    draw(st.none() | st.floats(0.0, 2.0)) if slot.is_empty else None,
                    blueprint_sizes(slot),
                ),
                evidence=(
                    None if slot.is_empty or draw(st.booleans()) else random_evidence(draw, slot)
                ),
            )
            for slot in slots.values()
        ),
        train_loss=draw(LOSSES),
        random_guess_loss=draw(st.none() | st.just(2.3)),
        restarted_after=draw(st.integers(0, epoch)),
        num_params=HOST_PARAMS + sum(p.numel() for s in slots.values() for p in s.parameters()),
        num_host_params=HOST_PARAMS,
        num_updates=epoch * 60,
        duration_s=epoch * 50.0,
    )


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=25)
@given(data=st.data())
def test_every_action_is_legal_and_the_state_is_complete(name, data):
    draw = data.draw
    gates = draw(st.sampled_from(GATES))
    topologies = draw(st.lists(st.sampled_from(["cnn", "mlp"]), min_size=2, max_size=3))
    slots = {
        f"s{i}": SeedSlot(f"s{i}", 3, topology=topology, gates=gates)
        for i, topology in enumerate(topologies)
    }
    script = draw(SCRIPTS)
    policy = POLICIES[name](script)
    state = policy.state_dict()
    epochs = draw(st.integers(2, 14))

    for epoch in range(1, epochs + 1):
        for slot in slots.values():
            slot.record_accuracy(draw(st.floats(0.0, 100.0)))
            if slot.is_unsettled:
                slot.record_contribution(draw(st.floats(-5.0, 5.0)))
        signals = signals_of(draw, slots, epoch, epochs)
        resumed = POLICIES[name](script)
        resumed.load_state_dict(json.loads(json.dumps(state)))
        actions = list(policy.decide(signals))
        assert list(resumed.decide(signals)) == actions
        state = policy.state_dict()

        rejuvenations = []
        apply_actions(actions, slots, rejuvenations.append)

        assert len(rejuvenations) == sum(isinstance(action, Rejuvenate) for action in actions)
        assert len(rejuvenations) <= 1
        for slot in slots.values():
            slot.step_epoch()
        if name == "evidence":
            grown = sum(p.numel() for slot in slots.values() for p in slot.parameters())
            assert grown <= 2.0 * HOST_PARAMS
            late = signals.num_updates >= 900 or signals.duration_s >= 800
            assert not late or not any(isinstance(action, Germinate) for action in actions)


def test_signals_cannot_be_changed():
    slot = SeedSlot("s0", 3)
    signals = slot_signals(slot, 1.0, blueprint_sizes(slot))

    with pytest.raises(dataclasses.FrozenInstanceError):
        signals.stage = SeedStage.TRAINING
    with pytest.raises(TypeError):
        signals.blueprint_sizes["norm"] = 0
