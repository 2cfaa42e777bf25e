"""Examines suspicions: a soft alarm is acted on only if a snapshot does clearly better on the same batches.

A suspicion is cleared after a few batches at most, unless the snapshot does better on them. Training goes on meanwhile,
because it may be unfounded, and each batch is scored before its own step: the present weights are flattered by batches that
they were trained on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from esper._generated.enums import LossSeries, PanicReason
from esper._generated.records import ProbeEvidence
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.probing.after_shift import JUMP, AfterShift
from esper.tolaria.probing.canary import Canary
from esper.tolaria.probing.comparison import Comparison, Reference, Ruling
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.probing.loss_scale import LossScale
from esper.tolaria.probing.onset import Onset
from esper.tolaria.probing.probe import Probe
from esper.tolaria.probing.suspicion import Suspicion
from esper.tolaria.snapshots.restore import RestorePlan
from esper.tolaria.snapshots.store import Snapshot

SOFT_REASONS: Final = (PanicReason.DIVERGENCE, PanicReason.DRIFT, PanicReason.LOBOTOMY)
"""Anomalies that other data can cause as well as damaged weights; the others need no comparison."""

_MOMENTUM_STEPS: Final = 20
"""Steps for which a bad batch may hurt the weights through momentum, the time to heal included."""
_BAD: Final = 6.0
"""Standard deviations above the usual loss from which a batch is bad, if the snapshot does so badly on it too."""


class PlanComparison(Protocol):
    """Chooses the snapshots that are compared."""

    def __call__(
        self, reason: PanicReason, *, older_than: Snapshot | None = None
    ) -> RestorePlan | None:
        """Return the plan that a rollback for this reason would carry out, or one for the snapshot before `older_than`.

        None if there is no such snapshot.
        """


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
    is_level: bool
    """Whether the losses have a new level: not a single batch, but a series of them is anomalous."""
    is_gradual: bool = False
    """Whether it is cleared because the rise is gradual, and the gradients have not grown."""


class Examiner:
    """Holds the open suspicion of a series of training losses, and looks for reasons to open one."""

    def __init__(self, probe: Probe, plan: PlanComparison, config: ProbeConfig) -> None:
        """Compare with the snapshots that `plan` chooses, by means of `probe`."""
        self._probe = probe
        self._plan = plan
        self._config = config
        self._canary = Canary(config)
        self._onset = Onset()
        self._after_shift = AfterShift()
        self._scales = {series: LossScale() for series in LossSeries}
        self._suspicion: Suspicion | None = None
        self._rises_by_itself = False  # a game's loss does; it is no measure of quality
        self._steps_since_bad = _MOMENTUM_STEPS  # steps since the last bad batch, and no further

    @property
    def is_open(self) -> bool:
        """Whether a suspicion is open, so that the present weights are not to be trusted."""
        return self._suspicion is not None

    def note_healthy(self, loss: float, series: LossSeries) -> None:
        """Remember a loss that is not anomalous."""
        if self.is_open:
            return
        self._scales[series].note(loss)
        if series is LossSeries.STEPS:
            self._after_shift.note_healthy(loss)

    def has_jumped(self, verdict: Verdict) -> bool:
        """Return whether a loss that is not anomalous has opened a suspicion, because the detector knows no level yet."""
        if verdict.statistic is not None:
            return False
        margin = self._reference(LossSeries.STEPS).margin
        if not self._after_shift.has_jumped(verdict.loss, margin):
            return False
        plan = self._plan(PanicReason.DIVERGENCE)
        if plan is None:
            return False
        if not self._after_shift.is_comparable(plan.snapshot.info.snapshot_id, margin):
            return False
        self._suspicion = Suspicion(reason=PanicReason.DIVERGENCE)
        return True

    def has_check_jumped(self, verdict: Verdict) -> bool:
        """Return whether a validation loss that is not anomalous is far above the usual one, while the detector knows no level.

        A shift that leaves the first training loss as it was has not changed the weights for the worse, so earlier snapshots are
        a measure of those that have been trained since.
        """
        reference = self._reference(LossSeries.CHECKS)
        is_early = self._after_shift.note_check()
        if not is_early or verdict.statistic is not None or reference.usual is None:
            return False
        plan = self._plan(PanicReason.DIVERGENCE)
        margin = self._reference(LossSeries.STEPS).margin
        if plan is None or verdict.loss <= reference.usual + JUMP * reference.margin:
            return False
        return self._after_shift.is_comparable(plan.snapshot.info.snapshot_id, margin)

    def suspects(self, verdict: Verdict, batch: Any, step: int) -> bool:
        """Return whether a loss that is not anomalous, or the canary if it is time to score it, has opened a suspicion."""
        self._note_badness(verdict.statistic is not None and verdict.statistic > _BAD)
        is_rising = self._onset.note(verdict.statistic)
        if not is_rising and self._canary.is_due(step):
            losses = self._probe.losses(self._canary.batch(batch))[0]
            margin = self._reference(LossSeries.STEPS).margin
            is_rising = self._canary.is_worse(losses, margin, step)
        if is_rising:
            self._suspicion = Suspicion(reason=PanicReason.DRIFT)
        return is_rising

    def examine(
        self, verdict: Verdict, batch: Any, *, have_gradients_grown: bool | None = None
    ) -> Finding:
        """Score `batch`, which no step has been taken on, and rule; opens a suspicion if none is open.

        A large gradient damages nothing before its step, so the batches after that step decide.

        Raises:
            ProbeError: the probe returned no losses, or others when it was called again.
        """
        is_new = self._suspicion is None
        suspicion = self._opened(verdict)
        if is_new and verdict.reason is PanicReason.GRADIENT:
            return Finding(
                ruling=Ruling.OPEN,
                reason=suspicion.reason,
                evidence=None,
                snapshot=None,
                is_level=False,
            )
        self._compare(suspicion, batch, LossSeries.STEPS)
        comparison, reference = suspicion.comparison, self._reference(LossSeries.STEPS)
        self._note_badness(comparison is not None and comparison.is_bad_batch(reference, _BAD))
        finding = self._finding(
            suspicion,
            LossSeries.STEPS,
            batch,
            min_batches=self._config.min_batches,
            have_gradients_grown=have_gradients_grown,
        )
        if finding.ruling is not Ruling.OPEN:
            self.close()
        if finding.ruling is Ruling.CLEARED:
            self._canary.renew()
            self._rises_by_itself |= finding.is_gradual
            if finding.is_level:
                self._scales[LossSeries.STEPS].restart_noise()
        return finding

    def examine_validation(self, verdict: Verdict, batches: Iterable[Any]) -> Finding:
        """Score the first few of `batches`, which the network is never trained on, and rule at once.

        Raises:
            ProbeError: the probe returned no losses, or others when it was called again.
        """
        reason = verdict.reason or PanicReason.DIVERGENCE
        suspicion = Suspicion(reason=reason, has_persisted=bool(verdict))
        for batch in islice(batches, self._config.max_batches):
            self._compare(suspicion, batch, LossSeries.CHECKS)
        finding = self._finding(suspicion, LossSeries.CHECKS, None, min_batches=1, is_last=True)
        if finding.ruling is Ruling.CLEARED:
            self._after_shift.end_checks()
        return finding

    def close(self) -> None:
        """Drop the open suspicion, because something else has been decided."""
        self._suspicion = None
        self._onset.restart()

    def note_rollback(self, num_undone: int) -> None:
        """Note that the weights have been restored, and so many steps undone."""
        self.close()
        self._scales[LossSeries.STEPS].forget_newest(num_undone)
        self._after_shift.note_rollback()
        self._onset.confirm()
        self._steps_since_bad = _MOMENTUM_STEPS  # the bad batch has been undone, too
        self._canary.forget_losses()

    def note_shift(self, next_snapshot_id: int) -> None:
        """Note that the losses change on purpose, before the snapshot with this number is taken."""
        self.close()
        self._canary.renew()
        scale = self._scales[LossSeries.STEPS]
        self._after_shift.note_shift(scale.usual, scale.noise, next_snapshot_id=next_snapshot_id)
        scale.restart_noise()

    def state_dict(self) -> dict[str, Any]:
        """Return the sizes of losses, the open suspicion and further memory in plain types; the canary's batch is not saved."""
        suspicion = self._suspicion
        return {
            **{series.name: scale.state_dict() for series, scale in self._scales.items()},
            "suspicion": None if suspicion is None else suspicion.state_dict(),
            "onset": self._onset.state_dict(),
            "after_shift": self._after_shift.state_dict(),
            "rises_by_itself": self._rises_by_itself,
            "steps_since_bad": self._steps_since_bad,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; the next batch becomes the canary.

        Raises:
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
        for series, scale in self._scales.items():
            scale.load_state_dict(state[series.name])
        self._onset.load_state_dict(state["onset"])
        saved, rises_by_itself = state["suspicion"], state["rises_by_itself"]
        self._rises_by_itself = rises_by_itself
        # Checkpoints of earlier versions do not hold these.
        self._steps_since_bad = state.get("steps_since_bad", _MOMENTUM_STEPS)
        self._after_shift = AfterShift.from_state_dict(state.get("after_shift", {}))
        self._suspicion = None if saved is None else Suspicion.from_state_dict(saved)
        self._canary.renew()

    def _note_badness(self, is_bad: bool) -> None:
        """Count a step; `is_bad` says that its batch is, and not the weights."""
        self._steps_since_bad = 0 if is_bad else min(self._steps_since_bad + 1, _MOMENTUM_STEPS)

    def _opened(self, verdict: Verdict) -> Suspicion:
        """Return the open suspicion, or a new one; its reason is the first that was seen."""
        if self._suspicion is None:
            assert verdict.reason is not None
            self._suspicion = Suspicion(reason=verdict.reason)
        if self._suspicion.reason is PanicReason.GRADIENT and verdict.reason is not None:
            self._suspicion.reason = verdict.reason
        self._suspicion.has_persisted |= bool(verdict)
        return self._suspicion

    def _compare(self, suspicion: Suspicion, batch: Any, series: LossSeries) -> None:
        started = time.perf_counter()
        plan = self._plan(suspicion.reason)
        if plan is None:
            return
        number = plan.snapshot.info.snapshot_id
        if suspicion.comparison is None or suspicion.comparison.snapshot_id != number:
            # Differences from two snapshots do not belong together.
            reference = self._reference(series)
            limit = max(reference.progress, 4.0 * reference.margin) or math.inf
            suspicion.differences.clear()
            suspicion.comparison = Comparison(snapshot_id=number, limit=limit)
        suspicion.snapshot = plan.snapshot
        present, saved = self._probe.losses(batch, plan)
        suspicion.comparison.add(
            present,
            saved,
            duration_s=time.perf_counter() - started,
            max_batches=self._config.max_batches,
        )

    def _finding(
        self,
        suspicion: Suspicion,
        series: LossSeries,
        batch: Any,
        *,
        min_batches: int,
        have_gradients_grown: bool | None = None,
        is_last: bool = False,
    ) -> Finding:
        reference = self._reference(series)
        ruling = suspicion.rule(
            reference,
            self._config,
            have_gradients_grown=have_gradients_grown,
            gain_of_older=lambda: self._gain_of_older(suspicion, batch),
            rises_by_itself=self._rises_by_itself,
            min_batches=min_batches,
            is_last=is_last,
            may_heal=series is LossSeries.STEPS and self._steps_since_bad < _MOMENTUM_STEPS,
        )
        comparison = suspicion.comparison
        return Finding(
            ruling=ruling,
            reason=suspicion.reason,
            evidence=None if comparison is None else comparison.evidence(reference),
            snapshot=suspicion.snapshot if ruling is Ruling.CONVICTED else None,
            is_level=suspicion.has_persisted or suspicion.is_gradual,
            is_gradual=suspicion.is_gradual,
        )

    def _gain_of_older(self, suspicion: Suspicion, batch: Any) -> float:
        """Return how much better than the present weights the snapshot before that of the comparison does on `batch`."""
        plan = self._plan(suspicion.reason, older_than=suspicion.snapshot)
        if plan is None:
            return 0.0
        present, saved = self._probe.losses(batch, plan)
        return float((present - saved).mean())

    def _reference(self, series: LossSeries) -> Reference:
        """Return how large differences of this series must be to matter."""
        scale = self._scales[series]
        noise, progress = scale.noise, scale.progress
        if series is LossSeries.STEPS and scale.usual is None:
            noise = self._after_shift.noise
        least = self._config.scale_share * progress
        return Reference(
            margin=max(least, noise),
            least=least,
            usual=scale.usual,
            noise=noise,
            progress=progress,
        )
