"""Counts what a governor that only watches would have done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from esper._generated.enums import LossSeries, PanicReason, Severity
from esper.leyline.text import pluralize
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.recovery.reporting import Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedAction:
    """One kind of action that would have been taken, and how often."""

    severity: Severity
    """SKIP, ROLLBACK or STOP."""
    reason: PanicReason | None
    """The anomaly; None for an overflow under loss scaling."""
    steps: tuple[int, ...]
    """Steps taken at each time, the first hundred."""
    num_times: int

    def __str__(self) -> str:
        """Return the action as a phrase: `ROLLBACK for DRIFT 2 times (at steps 120, 340)`."""
        reason = "an overflow" if self.reason is None else self.reason.name
        more = ", ..." if self.num_times > 3 else ""
        steps = ", ".join(map(str, self.steps[:3])) + more
        noun = "step" if self.num_times == 1 else "steps"
        times = pluralize(self.num_times, "time")
        return f"{self.severity.name} for {reason} {times} (at {noun} {steps})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """What a governor that only watches would have done so far."""

    num_steps: int
    """Steps taken."""
    actions: tuple[WatchedAction, ...]
    """In the order of the first time."""

    def __str__(self) -> str:
        """Return the report as a sentence."""
        done = ", ".join(map(str, self.actions)) or "nothing"
        return (
            f"watched {pluralize(self.num_steps, 'step')} and did nothing; would have done: {done}"
        )


_MAX_STEPS = 100


class Watch:
    """Takes the place of a governor's actions; one that repeats itself loss after loss counts once."""

    def __init__(self, reports: Reports, *, accept: Callable[[LossSeries], None]) -> None:
        """Start without any action.

        Args:
            reports: emits telemetry and warnings.
            accept: lets the detector of a series learn the present level, since nothing will be undone.
        """
        self._reports = reports
        self._accept = accept
        self._steps: dict[tuple[int, int | None], list[int]] = {}
        self._counts: dict[tuple[int, int | None], int] = {}
        self._last: tuple[int, int | None] | None = None

    def answer(self, verdict: Verdict, series: LossSeries, step: int) -> Verdict:
        """Report what would have been done about `verdict`, and return a verdict that lets the loop go on."""
        if verdict.is_anomalous:
            # The verdict that the loop gets; GOVERNOR_WATCHED has the one that would have been acted on.
            harmless = min(verdict.severity, Severity.PANIC)
            self._reports.panic(replace(verdict, severity=harmless), series)
        if verdict.severity in (Severity.OK, Severity.PANIC):
            self._last = None
            return verdict
        if self._note(verdict, step):
            self._reports.watched(verdict, step=step)
        if not verdict.is_anomalous:
            return replace(verdict, severity=Severity.OK)
        self._accept(series)
        return replace(verdict, severity=Severity.PANIC)

    def report(self, num_steps: int) -> WatchReport:
        """Return everything that was noted, after `num_steps` steps."""
        return WatchReport(num_steps=num_steps, actions=tuple(self._actions()))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that was noted, in plain types."""
        return {
            "kinds": [(*kind, count, self._steps[kind]) for kind, count in self._counts.items()],
            "last": self._last,
        }

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Restore what `state_dict` returned; None, of a governor that acted, changes nothing.

        Raises:
            KeyError: an entry of `state` is missing.
        """
        if state is None:
            return
        kinds, last = state["kinds"], state["last"]
        self._counts = {(severity, reason): count for severity, reason, count, _ in kinds}
        self._steps = {(severity, reason): list(steps) for severity, reason, _, steps in kinds}
        self._last = None if last is None else (last[0], last[1])

    def _note(self, verdict: Verdict, step: int) -> bool:
        """Note what would have been done about `verdict`; return False if the same was noted for the loss before.

        Without a rollback a fault lasts, and a governor that had acted would have met it only once.
        """
        kind = (verdict.severity.value, None if verdict.reason is None else verdict.reason.value)
        is_new = kind != self._last
        self._last = kind
        if is_new:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            steps = self._steps.setdefault(kind, [])
            if len(steps) < _MAX_STEPS:
                steps.append(step)
        return is_new

    def _actions(self) -> Iterator[WatchedAction]:
        for (severity, reason), count in self._counts.items():
            yield WatchedAction(
                severity=Severity(severity),
                reason=None if reason is None else PanicReason(reason),
                steps=tuple(self._steps[severity, reason]),
                num_times=count,
            )
