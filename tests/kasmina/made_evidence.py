"""Evidence for tests that do not measure any."""

from esper._generated.enums import EvidenceMode
from esper._generated.records import SeedEvidence


def evidence(**values) -> SeedEvidence:
    """Return evidence that a seed of 87 parameters lowers the loss by 0.021 nats, with `values` instead of the defaults."""
    defaults = {
        "mode": EvidenceMode.COUNTERFACTUAL,
        "difference": 0.021,
        "low": 0.015,
        "high": 0.027,
        "confidence": 0.99,
        "num_samples": 360,
        "look": 4,
        "seed_number": 1,
        "price": 0.0009,
        "num_params": 87,
        "duration_s": 0.01,
    }
    return SeedEvidence(**(defaults | values))
