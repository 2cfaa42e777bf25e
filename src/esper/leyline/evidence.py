"""The evidence for or against a seed as text for people."""

from esper._generated.enums import EvidenceMode
from esper._generated.records import SeedEvidence
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


def _signed(change: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return f"{change + 0.0:+.2g}"
