"""The evidence for or against a seed, or a rejuvenation, as text for people."""

from esper._generated.enums import EvidenceMode
from esper._generated.records import SeedEvidence
from esper._generated.run import HostRejuvenatedPayload
from esper.leyline.text import pluralize


def describe_evidence(evidence: SeedEvidence) -> str:
    """Return the change of the loss that the seed makes: `-0.021 nats [-0.027, -0.015] for 87 parameters`.

    It is negative where the seed helps. If the interval is not above the price, the text names the price too.
    """
    low, high = -evidence.high, -evidence.low
    text = f"{_signed(-evidence.difference)} nats [{_signed(low)}, {_signed(high)}]"
    text += f" for {pluralize(evidence.num_params, 'parameter')}"
    if evidence.low <= evidence.price:
        text += f", price {evidence.price:.2g}"
    if evidence.mode is EvidenceMode.SHADOW:
        text += ", in a shadow pass"
    return text


def describe_rejuvenation(event: HostRejuvenatedPayload) -> str:
    """Return whether the network was rejuvenated, and why: the change of the loss at the end of the trial.

    `not kept: +0.22 nats [+0.19, +0.26] after 60 steps of each copy (0.49 with it, 0.27 without), tolerance 0.068`: it is kept
    if the upper end of the interval is below the tolerance.
    """
    outcome = "kept" if event.is_kept else "not kept"
    evidence = event.evidence
    if evidence is None:
        return f"{outcome}: weights {event.shrink:g}, fresh ones {event.perturb:g}, without a trial"
    low, high = -evidence.high, -evidence.low
    change = f"{_signed(-evidence.difference)} nats [{_signed(low)}, {_signed(high)}]"
    losses = f"{evidence.loss_with:.3g} with it, {evidence.loss_without:.3g} without"
    steps = f"{pluralize(evidence.num_steps, 'step')} of each copy"
    return f"{outcome}: {change} after {steps} ({losses}), tolerance {evidence.tolerance:.2g}"


def _signed(change: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{change + 0.0:+.2g}"
