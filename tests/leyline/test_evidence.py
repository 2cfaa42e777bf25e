"""Evidence as text: the change of the loss, its interval, and the price where that matters."""

import pytest

from esper._generated.enums import EvidenceMode
from esper.leyline.evidence import describe_evidence
from tests.kasmina.made_evidence import evidence


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "-0.021 nats [-0.027, -0.015] for 87 parameters"),
        (
            {"difference": -0.1, "low": -0.25, "high": 0.05, "num_params": 1},
            "+0.1 nats [-0.05, +0.25] for 1 parameter, price 0.0009",
        ),
        (
            {"difference": 0.0, "low": 0.0, "high": 0.0, "mode": EvidenceMode.SHADOW},
            "+0 nats [+0, +0] for 87 parameters, price 0.0009, in a shadow pass",
        ),
    ],
)
def test_the_text_gives_the_change_of_the_loss(values, text):
    assert describe_evidence(evidence(**values)) == text
