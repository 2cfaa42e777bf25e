"""Converts a stop report to plain values, as a checkpoint holds it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from esper._generated.enums import EscalationAction, PanicReason
from esper._generated.records import StopReport


def stop_report_state_dict(report: StopReport | None) -> dict[str, Any] | None:
    """Return `report` in plain types; None while there is no report."""
    if report is None:
        return None
    tried = [action.value for action in report.tried]
    return asdict(report) | {"reason": report.reason.value, "tried": tried}


def stop_report_from_state_dict(state: Mapping[str, Any] | None) -> StopReport | None:
    """Return the report that `stop_report_state_dict` was given."""
    if state is None:
        return None
    tried = tuple(EscalationAction(value) for value in state["tried"])
    return StopReport(**{**state, "reason": PanicReason(state["reason"]), "tried": tried})
