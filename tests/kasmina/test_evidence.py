"""Evidence holds at every look and over all seeds of a run; gates ask for it; a shadow pass leaves no trace."""

import itertools
import math
import re
import sys
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esper._generated.enums import AlphaAlgorithm, EvidenceMode, Gate, SeedStage
from esper.kasmina.evidence import ERROR_RATE, EvidenceGates, error_rate_of, paired_evidence
from esper.kasmina.slot import SeedSlot
from esper.kasmina.state import SeedState
from tests.kasmina.lives import PERMISSIVE, features, lead_to, slot_in
from tests.kasmina.made_evidence import evidence

COUNTERFACTUAL, SHADOW = EvidenceMode.COUNTERFACTUAL, EvidenceMode.SHADOW
NAN, INFINITY = float("nan"), float("inf")


def compare(losses_with, losses_without, **arguments):
    return paired_evidence(
        torch.tensor(losses_with),
        torch.tensor(losses_without),
        **{"mode": COUNTERFACTUAL, **arguments},
    )


def test_a_seed_that_lowers_the_loss_of_most_samples_has_an_interval_above_zero():
    generator = torch.Generator().manual_seed(0)
    without = torch.rand(360, generator=generator)
    seeded = without - 0.02 + 0.05 * torch.randn(360, generator=generator)

    got = paired_evidence(
        seeded, without, mode=SHADOW, look=3, seed_number=2, num_params=87, price_per_parameter=1e-5
    )

    assert got.difference == pytest.approx(0.02, abs=0.01)
    assert 0.0 < got.low < got.difference < got.high < 0.05
    assert (got.mode, got.look, got.seed_number, got.num_samples) == (SHADOW, 3, 2, 360)
    assert (got.num_params, got.price) == (87, pytest.approx(87e-5))
    assert got.confidence == 1.0 - error_rate_of(SHADOW, 3, 2)


def test_all_looks_at_all_seeds_spend_no_more_than_the_error_rate():
    counts = range(1, 200)
    looks = itertools.product(EvidenceMode, counts, counts)

    spent = sum(error_rate_of(mode, look, seed) for mode, look, seed in looks)

    assert spent == pytest.approx(ERROR_RATE * float(Fraction(199, 200) ** 2))


@settings(deadline=None, max_examples=8)
@given(
    st.integers(1, 3),
    st.integers(1, 8),
    st.floats(0.0, 0.95),
    st.sampled_from(["normal", "skewed", "ties"]),
    st.sampled_from([40, 150]),
    st.integers(0, 2**31),
)
def test_hardly_any_run_has_a_bound_above_the_truth(
    num_seeds, num_looks, memory, shape, num_samples, random_seed
):
    generator = torch.Generator().manual_seed(random_seed)
    num_runs = 100

    def is_wrong_once() -> bool:
        """Return whether a run that stops as soon as a lower bound is above the true difference, zero, does stop."""
        for seed_number in range(1, num_seeds + 1):
            noise = torch.randn(num_samples, generator=generator)
            for look in range(1, num_looks + 1):
                fresh = torch.randn(num_samples, generator=generator)
                noise = memory * noise + (1.0 - memory**2) ** 0.5 * fresh
                # Each has mean zero.
                differences = {
                    "normal": noise,
                    "skewed": 1.0 - noise.square(),
                    "ties": noise.sign() * (noise.abs() > 1.0),
                }[shape]
                got = paired_evidence(
                    -differences,
                    torch.zeros(num_samples),
                    mode=COUNTERFACTUAL,
                    look=look,
                    seed_number=seed_number,
                )
                if got.low > 0.0:
                    return True
        return False

    num_wrong = sum(is_wrong_once() for _ in range(num_runs))

    # The 99.99 % quantile of 100 runs of which 5 % are wrong.
    assert num_wrong <= 14


@pytest.mark.parametrize(
    ("losses_with", "losses_without"),
    [
        ([0.1], [0.9]),
        ([0.1] * 3, [0.9] * 3),
        ([0.5] * 100, [0.5] * 100),
        ([0.5] * 99 + [NAN], [0.9] * 100),
        ([0.5] * 99 + [INFINITY], [0.9] * 100),
        ([0.5] * 100, [0.5] * 99 + [NAN]),
        ([NAN] * 100, [0.5] * 100),
        ([NAN] * 100, [NAN] * 100),
        ([-INFINITY] + [0.5] * 99, [0.5] * 100),
    ],
)
def test_samples_that_prove_nothing_pass_no_gate(losses_with, losses_without):
    got = compare(losses_with, losses_without)

    assert got.low <= 0.0
    assert got.low <= got.difference <= got.high


def test_a_network_that_fails_on_all_samples_without_the_seed_needs_it():
    assert compare([0.5] * 100, [NAN] * 100).low > 0.0


def test_losses_in_half_precision_are_compared_in_full():
    half = torch.full((100,), 0.5, dtype=torch.bfloat16)

    assert paired_evidence(half, half * 2, mode=SHADOW).difference == 0.5


@pytest.mark.parametrize(
    ("losses", "arguments", "message"),
    [
        (([1.0], [1.0, 2.0]), {}, r"must have the same shape \(N,\).*got \(1,\) and \(2,\)"),
        (([], []), {}, "N at least 1"),
        (([[1.0]], [[1.0]]), {}, "pass one loss for each sample"),
        (([1.0], [1.0]), {"look": 0}, "look must be at least 1, got 0"),
        (([1.0], [1.0]), {"seed_number": 0}, "seed_number must be at least 1, got 0"),
        (([1.0], [1.0]), {"price_per_parameter": -1.0}, "price_per_parameter must be at least 0"),
        (([1.0], [1.0]), {"error_rate": 1.0}, "error_rate must be between 0 and 0.5, got 1.0"),
        (([1.0], [1.0]), {"num_params": -1}, "num_params must be at least 0, got -1"),
        (([1.0], [1.0]), {"mode": "shadow"}, "mode must be of type EvidenceMode, got 'shadow'"),
    ],
)
def test_what_cannot_be_compared_is_refused(losses, arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(*losses, **arguments)


@pytest.mark.parametrize(("num_params", "price"), [(3, sys.float_info.max), (0, 0.0)])
def test_no_seed_with_parameters_earns_an_infinite_price(num_params, price):
    found = compare([1.0], [2.0], num_params=num_params, price_per_parameter=math.inf)

    assert found.price == price


def judged(gate, record, **thresholds):
    return EvidenceGates(**thresholds).evaluate(gate, SeedState(epochs_in_stage=1, evidence=record))


@pytest.mark.parametrize(
    ("record", "passes", "message"),
    [
        (
            evidence(),
            True,
            r"\+0.0210 nats \[\+0.0150, \+0.0270\] above 0; low \+0.0150 above price",
        ),
        (evidence(low=0.0005), False, r"low \+0.0005 above price 0.0009"),
        (evidence(low=0.0, price=0.0), False, "above 0"),
        (evidence(mode=SHADOW), False, "counterfactual evidence not measured"),
        (None, False, "counterfactual evidence not measured"),
    ],
)
def test_a_seed_is_kept_if_its_interval_lies_above_the_price(record, passes, message):
    result = judged(Gate.G5, record)

    assert result.passed is passes
    assert re.search(message, result.message)


HARMFUL = evidence(mode=SHADOW, difference=-0.1, low=-0.2, high=-0.01)
UNDECIDED = evidence(mode=SHADOW, difference=0.01, low=-0.2, high=0.2)
HELPFUL = evidence(mode=SHADOW)


@pytest.mark.parametrize(
    ("record", "passes", "passes_strictly"),
    [
        (HARMFUL, False, False),
        (UNDECIDED, True, False),
        (HELPFUL, True, True),
        (evidence(mode=SHADOW, price=0.03), True, False),
        (evidence(), False, False),
        (None, False, False),
    ],
)
def test_a_seed_in_training_must_do_no_harm_or_help(record, passes, passes_strictly):
    assert judged(Gate.G2, record).passed is passes
    assert judged(Gate.G2, record, must_help_in_shadow=True).passed is passes_strictly
    assert not judged(Gate.G2, record, min_training_epochs=2).passed


def test_thresholds_out_of_range_are_refused():
    for name, value in (
        ("min_training_epochs", -1),
        ("min_blending_epochs", 0.5),
        ("must_help_in_shadow", 1),
    ):
        with pytest.raises(ValueError, match=f"{name} must be"):
            EvidenceGates(**{name: value})


def test_a_seed_lives_by_evidence_alone():
    slot = SeedSlot("r0c0", 8, gates=EvidenceGates())
    slot.germinate("norm", blend_tempo_epochs=1)
    slot.advance_stage()
    for record in (HELPFUL, evidence(), evidence()):
        assert not slot.advance_stage().passed
        slot.record_accuracy(10.0)
        slot.record_evidence(record)
        slot.step_epoch()
        assert slot.advance_stage().passed

    assert slot.stage is SeedStage.FOSSILIZED


def test_evidence_is_part_of_the_saved_state_and_of_none_that_is_older():
    slot = slot_in(SeedStage.TRAINING)
    older = slot.state_dict()
    state = SeedState.from_tensor(older["_extra_state"]).state_dict()
    del state["evidence"]
    slot.record_evidence(HARMFUL)
    loaded, from_older = (SeedSlot("r0c0", 8) for _ in range(2))

    loaded.load_state_dict(slot.state_dict())
    from_older.load_state_dict(older | {"_extra_state": state})

    # Not the time that the pass took: equal runs save equal bytes.
    assert loaded.evidence == replace(HARMFUL, duration_s=None)
    assert from_older.evidence is None
    with pytest.raises(ValueError, match="evidence must be of type SeedEvidence, got 3"):
        slot.record_evidence(3)


GATED = {"alpha_algorithm": AlphaAlgorithm.GATE, "blend_algorithm_id": "gated"}


@pytest.mark.parametrize(
    "germination",
    [{}, {"alpha_algorithm": AlphaAlgorithm.MULTIPLY}, GATED],
    ids=["add", "multiply", "gate"],
)
def test_a_shadow_pass_computes_the_fossil_and_leaves_no_trace(germination):
    # The blueprint with batch norm.
    slot = slot_in(SeedStage.TRAINING, blueprint_id="conv_light", **germination)
    with torch.no_grad():
        for parameter in slot.seed_parameters():
            parameter.add_(0.1)
    fossil = SeedSlot("r0c0", 8, gates=PERMISSIVE)
    lead_to(fossil, SeedStage.FOSSILIZED, "conv_light", **germination)
    tensors = {k: v for k, v in slot.state_dict().items() if k != "_extra_state"}
    fossil.load_state_dict(tensors | {"_extra_state": fossil.get_extra_state()})
    fossil.eval()
    before = {name: tensor.clone() for name, tensor in slot.state_dict().items()}
    modes = [module.training for module in slot.modules()]
    random_state = torch.get_rng_state()
    h = features()

    with slot.shadow():
        shown = slot(h)

    assert not torch.equal(shown, h)
    assert torch.equal(shown, fossil(h))
    assert not shown.requires_grad
    assert torch.is_grad_enabled()
    assert [module.training for module in slot.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in slot.state_dict().items())
    assert torch.equal(slot(h), h)
    assert slot.alpha == 0.0


@pytest.mark.parametrize("stage", [SeedStage.DORMANT, SeedStage.GERMINATED, SeedStage.HOLDING])
def test_outside_training_a_shadow_pass_is_a_usual_one(stage):
    slot, h = slot_in(stage), features()

    with slot.shadow():
        shown = slot(h)

    assert torch.equal(shown, slot(h))
