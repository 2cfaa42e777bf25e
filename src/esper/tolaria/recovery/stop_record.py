"""Why a run has been ended, in plain types, the way a checkpoint holds it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from esper._generated.enums import EscalationAction, PanicReason
from esper._generated.records import StopReport


def to_record(report: StopReport) -> dict[str, Any]:
    """Return everything that `report` says."""
    tried = [action.value for action in report.tried]
    return asdict(report) | {"reason": report.reason.value, "tried": tried}


def from_record(record: Mapping[str, Any]) -> StopReport:
    """Return the report that `to_record` wrote down."""
    tried = tuple(EscalationAction(value) for value in record["tried"])
    return StopReport(**{**record, "reason": PanicReason(record["reason"]), "tried": tried})
