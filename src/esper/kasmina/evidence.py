"""Evidence for or against a seed: paired differences of the loss of each sample, with and without it; and gates that ask for it.

The same samples, which were not trained on, are looked at again after each epoch, and several seeds of a run are looked at. If each
bound were wrong in 5 % of cases, sooner or later one would be. So the error rate of a run is spent bit by bit (Lan and DeMets,
Discrete sequential boundaries for clinical trials, 1983): look k of seed j may be wrong with probability

    error_rate * share / (k (k + 1) j (j + 1)),

with a share of 0.1 for looks in TRAINING and 0.9 for the later ones, by which seeds are kept, both counted from 1. The sum over all
looks and seeds is `error_rate`, however many there are. By the union bound all lower bounds of a run hold together with a probability
of 95 %, however much the looks depend on each other, and so do all upper bounds. What the bounds rely on is that the decision samples
have no part in training. They have a small one: which seeds live on was decided by them. `benchmarks/null_runs.py` measures what
comes of it.
"""

import sys
from dataclasses import dataclass
from typing import Final, final

import msgspec
import torch
from torch import Tensor

from esper._generated.enums import EvidenceMode, Gate, GateCheck
from esper._generated.records import SeedEvidence
from esper.kasmina.gates import (
    Check,
    GateResult,
    Gates,
    at_least,
    check_germination,
    check_ramp,
    check_start,
    gate_result,
)
from esper.kasmina.interval import mean_interval
from esper.kasmina.state import SeedState
from esper.leyline.arguments import instance_of, real_number, whole_number

ERROR_RATE: Final = 0.05
"""Probability that any lower bound of a run is wrong, unless the caller says otherwise; the same for upper bounds."""
LARGEST_LOSS: Final = 1e6
"""Nats as which a loss counts that is NaN or larger, so that one such sample neither decides nor is ignored."""
_SHARES: Final = {EvidenceMode.SHADOW: 0.1, EvidenceMode.COUNTERFACTUAL: 0.9}


def error_rate_of(
    mode: EvidenceMode, look: int, seed_number: int, error_rate: float = ERROR_RATE
) -> float:
    """Return the part of a run's `error_rate` that a look in `mode` at a seed, both counted from 1, may spend."""
    return error_rate * _SHARES[mode] / (look * (look + 1) * seed_number * (seed_number + 1))


def paired_evidence(
    losses_with: Tensor,
    losses_without: Tensor,
    *,
    mode: EvidenceMode,
    look: int = 1,
    seed_number: int = 1,
    num_params: int = 0,
    price_per_parameter: float = 0.0,
    error_rate: float = ERROR_RATE,
    duration_s: float | None = None,
) -> SeedEvidence:
    """Compare the losses of the same samples with and without a seed, (N,) each, in nats.

    The samples must be independent of each other, so pass one loss for each sequence, not for each token.

    Args:
        losses_with: loss of each sample with the seed.
        losses_without: loss of each sample, in the same order, without it.
        mode: how the seed was run.
        look: number of this comparison of the seed in this mode, from 1; each later one needs more confidence.
        seed_number: number of the seed among those of the run that are compared, from 1; so does each later seed.
        num_params: parameters of the seed.
        price_per_parameter: nats that each of them must earn, at least 0.
        error_rate: probability that any lower bound of the run is wrong, in (0, 0.5); the same for upper bounds.
        duration_s: time that the additional pass took; None when not measured.

    A price beyond the largest float counts as that: no seed earns it.

    Raises:
        ValueError: the losses are not two tensors of the same shape (N,) with at least one sample, or a number is out of range.
    """
    for name, losses in (("losses_with", losses_with), ("losses_without", losses_without)):
        instance_of(name, losses, Tensor, "pass one loss for each sample")
    instance_of("mode", mode, EvidenceMode, "write EvidenceMode.SHADOW or .COUNTERFACTUAL")
    if losses_with.ndim != 1 or losses_with.shape != losses_without.shape or not len(losses_with):
        raise ValueError(
            "losses with and without a seed must have the same shape (N,), N at least 1, got"
            f" {tuple(losses_with.shape)} and {tuple(losses_without.shape)}; pass one loss for each sample"
        )
    whole_number("look", look, minimum=1)
    whole_number("seed_number", seed_number, minimum=1)
    whole_number("num_params", num_params, minimum=0)
    real_number("price_per_parameter", price_per_parameter, minimum=0.0)
    # Infinity times no parameters would be NaN.
    price = min(price_per_parameter * num_params, sys.float_info.max) if num_params else 0.0
    if not 0.0 < real_number("error_rate", error_rate) < 0.5:
        raise ValueError(f"error_rate must be between 0 and 0.5, got {error_rate}")
    spent = error_rate_of(mode, look, seed_number, error_rate)
    differences = countable_losses(losses_without) - countable_losses(losses_with)
    low, high = mean_interval(differences, spent)
    return SeedEvidence(
        mode=mode,
        difference=float(differences.mean()),
        low=low,
        high=high,
        confidence=1.0 - spent,
        num_samples=len(differences),
        look=look,
        seed_number=seed_number,
        price=price,
        num_params=num_params,
        duration_s=duration_s,
    )


def countable_losses(losses: Tensor) -> Tensor:
    """Return the losses in float64, on the CPU because not every device has it, each at most `LARGEST_LOSS` in size."""
    # Not nan_to_num first: infinities would become the largest number of the dtype.
    numbers = losses.detach().cpu().double()
    return torch.where(numbers.isnan(), LARGEST_LOSS, numbers).clamp(-LARGEST_LOSS, LARGEST_LOSS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceGates(Gates):
    """Gates that ask for evidence that a seed lowers the loss, whatever the task is; they do not know the accuracy.

    G5 makes the seed a permanent part of the network: there the whole interval must lie above the price of its parameters, and so above
    zero. G2 keeps nothing, and its evidence says less: in TRAINING a seed follows the gradient of an output that it does not
    change, so at full amplitude it may be too strong for now, which blending in corrects. So G2 only asks that the seed is not shown
    to do harm, unless `must_help_in_shadow`.
    """

    must_help_in_shadow: bool = False
    """G2: whether the interval must lie above zero, and its mean above the price; else it must not lie below zero."""
    min_training_epochs: int = 1
    """G2: epochs recorded in TRAINING."""
    min_blending_epochs: int = 1
    """G3: epochs recorded in BLENDING."""
    min_holding_epochs: int = 1
    """G5: epochs recorded in HOLDING; with 0, evidence from BLENDING at a lower amplitude may decide."""

    def __post_init__(self) -> None:
        """Check the thresholds.

        Raises:
            ValueError: one is of another type or out of its range.
        """
        instance_of("must_help_in_shadow", self.must_help_in_shadow, bool)
        whole_number("min_training_epochs", self.min_training_epochs, minimum=0)
        whole_number("min_blending_epochs", self.min_blending_epochs, minimum=0)
        whole_number("min_holding_epochs", self.min_holding_epochs, minimum=0)

    def evaluate(self, gate: Gate, state: SeedState) -> GateResult:
        """Run the checks of `gate` on a seed in `state`; the gate passes if all of them hold."""
        match gate:
            case Gate.G1:
                return gate_result(gate, check_start(state))
            case Gate.G2:
                return gate_result(
                    gate, (_waited(state, self.min_training_epochs), *self._check_shadow(state))
                )
            case Gate.G3:
                checks = (*check_ramp(state), _waited(state, self.min_blending_epochs))
                return gate_result(gate, checks, state.schedule.alpha)
            case Gate.G5:
                return gate_result(
                    gate, (_waited(state, self.min_holding_epochs), *_check_counterfactual(state))
                )
            case _:
                return gate_result(gate, check_germination(state))

    def _check_shadow(self, state: SeedState) -> tuple[Check, ...]:
        evidence = _latest(state, EvidenceMode.SHADOW)
        if evidence is None:
            return (_not_measured(EvidenceMode.SHADOW),)
        if not self.must_help_in_shadow:
            harmless = f"{_text(evidence)} not below 0"
            return (_MEASURED, (GateCheck.IMPROVEMENT, evidence.high >= 0.0, harmless))
        mean, price = evidence.difference, evidence.price
        enough = f"mean {mean:+.4f} above price {price:.4f}"
        return (_MEASURED, _helps(evidence), (GateCheck.CONTRIBUTION, mean > price, enough))


def _check_counterfactual(state: SeedState) -> tuple[Check, ...]:
    evidence = _latest(state, EvidenceMode.COUNTERFACTUAL)
    if evidence is None:
        return (_not_measured(EvidenceMode.COUNTERFACTUAL),)
    low, price = evidence.low, evidence.price
    enough = f"low {low:+.4f} above price {price:.4f}"
    return (_MEASURED, _helps(evidence), (GateCheck.CONTRIBUTION, low > price, enough))


_MEASURED: Final[Check] = (GateCheck.CONTRIBUTION_MEASURED, True, "evidence measured")


def _not_measured(mode: EvidenceMode) -> Check:
    return (GateCheck.CONTRIBUTION_MEASURED, False, f"{mode.name.lower()} evidence not measured")


def _helps(evidence: SeedEvidence) -> Check:
    return (GateCheck.IMPROVEMENT, evidence.low > 0.0, f"{_text(evidence)} above 0")


def _text(evidence: SeedEvidence) -> str:
    return f"{evidence.difference:+.4f} nats [{evidence.low:+.4f}, {evidence.high:+.4f}]"


def _latest(state: SeedState, mode: EvidenceMode) -> SeedEvidence | None:
    """Return the latest evidence if it is of `mode`: that of an earlier stage says nothing about this one."""
    return state.evidence if state.evidence is not None and state.evidence.mode is mode else None


def _waited(state: SeedState, minimum: int) -> Check:
    return at_least(GateCheck.EPOCHS_IN_STAGE, "epochs in stage", state.epochs_in_stage, minimum)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGates(Gates):
    """Let a seed change the output before it has shown anything; all other gates are those of `of`.

    A newborn seed that only listens to a host that has settled learns little, so a shadow pass cannot show what both would learn
    together. Nothing is kept by this: the gate to FOSSILIZED asks as before.
    """

    of: Gates

    def evaluate(self, gate: Gate, state: SeedState) -> GateResult:
        """Pass G2 without a check, and run the checks of every other gate on a seed in `state`."""
        if gate is Gate.G2:
            result = gate_result(gate, ())
            return msgspec.structs.replace(result, message="on credit, to be judged in HOLDING")
        return self.of.evaluate(gate, state)
