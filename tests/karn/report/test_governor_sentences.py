"""The sentences about the governor do not claim what the numbers beside them deny."""

from types import SimpleNamespace

import pytest

from esper._generated.enums import PanicReason
from esper.karn.report.governor_sentences import _describe_cause


@pytest.mark.parametrize(
    ("loss", "limit"), [(30.0, ", threshold 20"), (5.0, ""), (float("nan"), ", threshold 20")]
)
def test_a_threshold_that_was_not_exceeded_is_no_cause(loss, limit):
    rollback = SimpleNamespace(
        reason=PanicReason.DIVERGENCE, loss_at_panic=loss, loss_threshold=20.0
    )

    assert _describe_cause(rollback).endswith(f"(loss {loss:.4g}{limit})")
