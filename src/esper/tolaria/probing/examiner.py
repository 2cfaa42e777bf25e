"""Examines suspicions: a soft alarm is acted on only if a snapshot does clearly better on the same batches.

A suspicion stays open for a few batches at most. Training goes on meanwhile, because a suspicion may be unfounded, and
each batch is scored before its own step: the present weights are flattered by batches that they were trained on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Self

from torch import nn

from esper._generated.enums import LossSeries, PanicReason
from esper._generated.records import ProbeEvidence
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.probing.canary import Canary
from esper.tolaria.probing.comparison import Comparison, Ruling
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.probing.loss_scale import LossScale
from esper.tolaria.probing.probe import Probe, ProbeFunction, checked_probe
from esper.tolaria.snapshots.restore import RestorePlan
from esper.tolaria.snapshots.store import Snapshot

SOFT_REASONS: Final = (PanicReason.DIVERGENCE, PanicReason.DRIFT, PanicReason.LOBOTOMY)
"""Anomalies that other data can cause as well as damaged weights; the others need no comparison."""

PlanComparison = Callable[[PanicReason], RestorePlan | None]
"""Returns the plan that a rollback for this reason would carry out; None if there is no snapshot."""


def build_examiner(
    probe: ProbeFunction | None,
    modules: Iterable[nn.Module],
    plan: PlanComparison,
    config: ProbeConfig,
) -> Examiner | None:
    """Return an examiner that calls `probe`, which may run `modules`; None without a probe.

    Raises:
        ValueError: the probe cannot be called, or is a module.
    """
    return None if probe is None else Examiner(checked_probe(probe, modules), plan, config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of examining a batch."""

    ruling: Ruling
    reason: PanicReason
    """The suspicion."""
    evidence: ProbeEvidence | None
    """The comparison so far; None if there is no snapshot to compare with."""
    snapshot: Snapshot | None
    """The snapshot that does better; None unless the ruling is CONVICTED."""
    has_persisted: bool
    """Whether the detector would have rolled back: not a single batch, but a series of them is anomalous."""


@dataclass(slots=True)
class _Suspicion:
    """An open suspicion."""

    reason: PanicReason
    has_persisted: bool = False
    comparison: Comparison | None = None
    snapshot: Snapshot | None = None
    """The snapshot of the comparison."""

    def state_dict(self) -> dict[str, Any]:
        """Return the suspicion in plain types; the snapshot is found again by its number."""
        comparison = self.comparison
        return {
            "reason": self.reason.value,
            "has_persisted": self.has_persisted,
            "comparison": None if comparison is None else asdict(comparison),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the suspicion that `state_dict` was called on."""
        saved = state["comparison"]
        comparison = None if saved is None else Comparison.from_state_dict(saved)
        reason = PanicReason(state["reason"])
        return cls(reason=reason, has_persisted=state["has_persisted"], comparison=comparison)


class Examiner:
    """Holds the open suspicion of a series of training losses, and the canary."""

    def __init__(self, probe: Probe, plan: PlanComparison, config: ProbeConfig) -> None:
        """Compare with the snapshots that `plan` chooses, by means of `probe`."""
        self._probe = probe
        self._plan = plan
        self._config = config
        self._canary = Canary(config)
        self._scales = {series: LossScale() for series in LossSeries}
        self._suspicion: _Suspicion | None = None

    @property
    def is_open(self) -> bool:
        """Whether a suspicion is open, so that the present weights are not to be trusted."""
        return self._suspicion is not None

    def note_healthy(self, loss: float, series: LossSeries) -> None:
        """Remember a loss that is not anomalous."""
        if not self.is_open:
            self._scales[series].note(loss)

    def watch_canary(self, batch: Any, step: int) -> bool:
        """Score the canary if it is time; return whether it has opened a suspicion."""
        if self.is_open or not self._canary.is_due(step):
            return False
        losses = self._probe.losses(self._canary.batch(batch))[0]
        is_worse = self._canary.is_worse(
            losses, self._margin(float(losses.abs().mean()), LossSeries.STEPS), step
        )
        if is_worse:
            self._suspicion = _Suspicion(reason=PanicReason.DRIFT)
        return is_worse

    def examine(self, verdict: Verdict, batch: Any) -> Finding:
        """Score `batch`, which no step has been taken on, and rule; opens a suspicion if none is open.

        Raises:
            ProbeError: the probe returned no losses, or others when it was called again.
        """
        suspicion = self._opened(verdict)
        self._compare(suspicion, batch, LossSeries.STEPS)
        finding = self._finding(
            suspicion, LossSeries.STEPS, min_batches=self._config.min_batches, is_last=False
        )
        if finding.ruling is not Ruling.OPEN:
            self.close()
        if finding.ruling is Ruling.CLEARED:
            self._canary.renew()
        return finding

    def examine_validation(self, verdict: Verdict, batches: Iterable[Any]) -> Finding:
        """Score the first few of `batches`, which the network is never trained on, and rule at once.

        Raises:
            ProbeError: the probe returned no losses, or others when it was called again.
        """
        assert verdict.reason is not None
        suspicion = _Suspicion(reason=verdict.reason, has_persisted=bool(verdict))
        for batch in islice(batches, self._config.max_batches):
            self._compare(suspicion, batch, LossSeries.CHECKS)
        return self._finding(suspicion, LossSeries.CHECKS, min_batches=1, is_last=True)

    def close(self) -> None:
        """Drop the open suspicion, because something else has been decided."""
        self._suspicion = None

    def note_rollback(self) -> None:
        """Note that the weights have been restored."""
        self.close()
        self._canary.forget_losses()

    def note_shift(self) -> None:
        """Note that the losses change on purpose."""
        self.close()
        self._canary.renew()
        self._scales[LossSeries.STEPS].restart_noise()

    def state_dict(self) -> dict[str, Any]:
        """Return the sizes of losses and the open suspicion in plain types; the canary's batch is not saved."""
        suspicion = self._suspicion
        return {
            **{series.name: scale.state_dict() for series, scale in self._scales.items()},
            "suspicion": None if suspicion is None else suspicion.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; the next batch becomes the canary.

        Raises:
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
        for series, scale in self._scales.items():
            scale.load_state_dict(state[series.name])
        saved = state["suspicion"]
        self._suspicion = None if saved is None else _Suspicion.from_state_dict(saved)
        self._canary.renew()

    def _opened(self, verdict: Verdict) -> _Suspicion:
        """Return the open suspicion, or a new one; its reason is the first that was seen."""
        if self._suspicion is None:
            assert verdict.reason is not None
            self._suspicion = _Suspicion(reason=verdict.reason)
        self._suspicion.has_persisted |= bool(verdict)
        return self._suspicion

    def _compare(self, suspicion: _Suspicion, batch: Any, series: LossSeries) -> None:
        started = time.perf_counter()
        plan = self._plan(suspicion.reason)
        if plan is None:
            return
        number = plan.snapshot.info.snapshot_id
        if suspicion.comparison is None or suspicion.comparison.snapshot_id != number:
            # Differences from two snapshots do not belong together.
            limit = self._scales[series].first_size or math.inf
            suspicion.comparison = Comparison(snapshot_id=number, limit=limit)
        suspicion.snapshot = plan.snapshot
        present, saved = self._probe.losses(batch, plan)
        suspicion.comparison.add(present, saved, duration_s=time.perf_counter() - started)

    def _finding(
        self, suspicion: _Suspicion, series: LossSeries, *, min_batches: int, is_last: bool
    ) -> Finding:
        comparison = suspicion.comparison
        # Without a snapshot there is nothing to go back to.
        ruling, evidence = Ruling.CLEARED, None
        if comparison is not None:
            margin = self._margin(comparison.snapshot_size(), series)
            usual = self._scales[series].usual
            ruling = comparison.rule(
                margin,
                usual,
                self._config,
                # Evidence of few batches convicts only together with the detector, which waits for losses in a row.
                min_batches=min_batches if suspicion.has_persisted else self._config.max_batches,
                is_last=is_last,
            )
            evidence = comparison.evidence(margin, usual)
        return Finding(
            ruling=ruling,
            reason=suspicion.reason,
            evidence=evidence,
            snapshot=suspicion.snapshot if ruling is Ruling.CONVICTED else None,
            has_persisted=suspicion.has_persisted,
        )

    def _margin(self, size: float, series: LossSeries) -> float:
        """Return the difference that must be exceeded, for a snapshot or canary of this mean absolute loss."""
        config, scale = self._config, self._scales[series]
        floor = config.floor_share * scale.first_size
        return max(config.scale_share * max(size, floor), scale.noise)
