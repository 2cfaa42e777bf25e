"""The judging half of the governor: it weighs the evidence before a soft alarm is acted on.

Other data can cause such an alarm as well as damaged weights.

There are two kinds of evidence. A comparison by the user's probe shows before a rollback whether it would help. The losses
after a rollback show whether it has helped: where the restored weights do no better, or where the losses take the same
course once more, they have a new level. Without a probe, the second kind is all there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from torch import nn

from esper._generated.enums import ClearedBy, LossSeries, PanicReason, Severity, SkipCause
from esper.tolaria.detection.detector import Detector, LevelLearner, checked_detector, learn_level
from esper.tolaria.detection.limits import EPOCH_LIMITS
from esper.tolaria.detection.robust import RobustDetector
from esper.tolaria.detection.step_judge import StepJudge
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.probing.comparison import Ruling
from esper.tolaria.probing.config import ProbeConfig
from esper.tolaria.probing.course import Course
from esper.tolaria.probing.examiner import SOFT_REASONS, Examiner, Finding, PlanComparison
from esper.tolaria.probing.movement import Movement
from esper.tolaria.probing.probe import ProbeFunction, checked_probe
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.store import Snapshot
from esper.tolaria.snapshots.travel import Travel

_NUM_CONTROLS: Final = 5
"""Batches in a row that are anomalous right after a rollback, before any step, which show that it has changed nothing."""


_HEALING: Final = 0.1
"""Share of its rise above the threshold that a validation loss must have lost since the check before, to count as healing."""


class ReportCleared(Protocol):
    """Reports an anomalous check that turned out to be unfounded."""

    def __call__(
        self, verdict: Verdict, series: LossSeries, *, reason: PanicReason, by: ClearedBy
    ) -> None:
        """Report that the suspicion `reason` is cleared; `verdict` is on the last loss, with the evidence."""


class Scrutiny:
    """Judges checks and steps, and overrules the detectors' soft alarms where the evidence is against them.

    Attributes:
        judge: judges the steps.
        convicted: the snapshot that does clearly better than the present weights; None unless the last verdict says so.
    """

    def __init__(
        self,
        detector: Detector,
        judge: StepJudge,
        examiner: Examiner | None,
        *,
        report_cleared: ReportCleared,
        measure_travel: Callable[[], Travel | None],
    ) -> None:
        """Judge with `detector` and `judge`.

        Args:
            detector: judges the checks, and learns their new level if an alarm was unfounded.
            judge: the same for steps.
            examiner: compares weights on batches; None without a probe.
            report_cleared: called for each unfounded suspicion.
            measure_travel: returns how far the weights have moved, which decides if there is no probe.
        """
        self.judge = judge
        self.convicted: Snapshot | None = None
        self._detector = detector
        # Asked before every step, and the check of a protocol takes as long as a check by the detector.
        self._learns_level = isinstance(judge.detector, LevelLearner)
        self._examiner = examiner
        self._report_cleared = report_cleared
        self._course = Course()
        self._movement = Movement(measure_travel)
        self._last_check: float | None = (
            None  # the loss of the last check if that was anomalous and finite
        )

    @property
    def is_open(self) -> bool:
        """Whether a suspicion is open, so that the present weights must not be trusted."""
        return self._examiner is not None and self._examiner.is_open

    @property
    def is_in_doubt(self) -> bool:
        """Whether a suspicion is open, or the last check was anomalous, so that the weights must not become a snapshot.

        Steps can look healthy for epochs after a fault, once their detector knows the new level. Their snapshots would drive out
        those of before the fault, which the next checks are compared with.
        """
        was_anomalous = self._last_check is not None and isinstance(self._detector, LevelLearner)
        return self.is_open or was_anomalous

    @property
    def detector_states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state dicts of the two detectors, that of checks first, for a snapshot."""
        return self._detector.state_dict(), self.judge.detector.state_dict()

    def check_batch(self, batch: Any) -> None:
        """Check that a governor with a probe is given a batch.

        Raises:
            ValueError: there is a probe and no batch.
        """
        if self._examiner is not None and batch is None:
            raise ValueError(
                "a governor with a probe needs the batch of every step, got None;"
                " call before_step(loss, batch=batch)"
            )

    def weigh_step(self, verdict: Verdict, batch: Any, step: int, progress: int) -> Verdict:
        """Return the verdict on a training loss, changed as the evidence demands.

        Args:
            verdict: that of `judge`.
            batch: the batch that the loss is of.
            step: steps taken so far.
            progress: steps that the present weights have been trained for.

        Raises:
            ProbeError: the probe returned no losses, or others when it was called again.
        """
        self.convicted = None
        if verdict.severity is Severity.SKIP:
            return self._weigh_skip(verdict)
        if math.isfinite(verdict.loss):
            self._course.note(progress, verdict.loss)
        if self._examiner is not None:
            verdict = self._compare_step(self._examiner, verdict, batch, step)
        has_moved_far = False
        if self._examiner is None and self._can_tell_by_travel(verdict):
            ruling = self._movement.rule(verdict, progress)
            if ruling is Ruling.CLEARED:
                assert verdict.reason is not None
                return self._clear(verdict, LossSeries.STEPS, verdict.reason, ClearedBy.TRAVEL)
            has_moved_far = ruling is Ruling.CONVICTED
            if has_moved_far:
                verdict = _convicted(verdict, verdict.reason or PanicReason.DRIFT)
        if not verdict.needs_rollback or verdict.reason not in SOFT_REASONS:
            return verdict
        if not self._learns_level:
            return verdict
        is_in_vain = self._examiner is None and self._course.is_in_vain
        is_convicted = self.convicted is not None
        if is_in_vain or self._course.is_repeated(verdict.loss, is_convicted=is_convicted):
            self._tolerate(verdict.loss)
            return self._clear(verdict, LossSeries.STEPS, verdict.reason, ClearedBy.RETURN)
        is_alone = self._examiner is None and not has_moved_far
        if (
            is_alone
            and verdict.reason is PanicReason.DRIFT
            and self.judge.have_gradients_grown() is False
        ):
            return self._clear(verdict, LossSeries.STEPS, verdict.reason, ClearedBy.GRADIENTS)
        return verdict

    def judge_check(self, loss: float, batches: Iterable[Any] | None) -> Verdict:
        """Return the verdict on a validation loss; if it asks for a rollback, after a comparison on `batches`.

        Without batches there is no evidence that a rollback would help, and a loss that falls by itself says that training
        goes on well without: then there is none.

        Raises:
            ProbeError: the probe returned no losses, or others when it was called again.
        """
        self.convicted = None
        verdict = self._detector.check(loss)
        earlier, self._last_check = self._last_check, None
        if verdict.is_anomalous and math.isfinite(verdict.loss):
            self._last_check = verdict.loss
        examiner = self._examiner
        if examiner is None or batches is None:
            return self._without_comparison(verdict, earlier)
        if not verdict.is_anomalous and not examiner.has_check_jumped(verdict):
            examiner.note_healthy(verdict.loss, LossSeries.CHECKS)
            return verdict
        if verdict.is_anomalous and (verdict.reason not in SOFT_REASONS or not verdict):
            return verdict
        return self._apply(
            verdict, examiner.examine_validation(verdict, batches), LossSeries.CHECKS
        )

    def _without_comparison(self, verdict: Verdict, earlier: float | None) -> Verdict:
        """Return `verdict` on a check without a rollback if the loss is well below `earlier`, that of the check before."""
        threshold = verdict.loss_threshold
        if not verdict or verdict.reason not in SOFT_REASONS or earlier is None:
            return verdict
        if threshold is None or not isinstance(self._detector, LevelLearner):
            return verdict
        is_healing = earlier - verdict.loss >= _HEALING * (earlier - threshold)
        return replace(verdict, severity=Severity.PANIC) if is_healing else verdict

    def accept(self, series: LossSeries) -> None:
        """Let the detector of `series` learn the present level, because nothing will be undone."""
        if series is LossSeries.STEPS:
            self.judge.overrule()
            learn_level(self.judge.detector)
        else:
            learn_level(self._detector)

    def note_rollback(
        self, states: tuple[Mapping[str, Any], ...], progress: int, *, num_undone: int
    ) -> None:
        """Note that the weights are again those for which `detector_states` returned `states`.

        Args:
            states: those of the time of the snapshot.
            progress: steps that the weights have been trained for.
            num_undone: steps that have been undone.
        """
        self.convicted = self._last_check = None
        state, step_state = states
        self._detector.rewind(state)
        self.judge.note_rollback(step_state)
        self._course.note_rollback(progress)
        self._movement.note_rollback(progress)
        if self._examiner is not None:
            self._examiner.note_rollback(num_undone)

    def expect_shift(self, next_snapshot_id: int) -> None:
        """Expect the losses to change on purpose, before the snapshot with this number is taken."""
        self._last_check = None
        self._detector.expect_shift()
        self.judge.expect_shift()
        self._course.note_shift()
        self._movement.note_shift()
        if self._examiner is not None:
            self._examiner.note_shift(next_snapshot_id)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is remembered, in plain types; batches are not saved."""
        return {
            "detector": self._detector.state_dict(),
            "judge": self.judge.state_dict(),
            "scrutiny": {
                "course": self._course.state_dict(),
                "last_check": self._last_check,
                "movement": self._movement.state_dict(),
                "examiner": None if self._examiner is None else self._examiner.state_dict(),
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; the state of a probe is ignored if there is none here.

        Raises:
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
        self._detector.load_state_dict(state["detector"])
        self.judge.load_state_dict(state["judge"])
        if "scrutiny" not in state:  # checkpoints of earlier versions do not hold it
            return
        self._course.load_state_dict(state["scrutiny"]["course"])
        self._last_check = state["scrutiny"].get("last_check")
        if "movement" in state["scrutiny"]:
            self._movement.load_state_dict(state["scrutiny"]["movement"])
        examiner = state["scrutiny"]["examiner"]
        if self._examiner is not None and examiner is not None:
            self._examiner.load_state_dict(examiner)

    def _weigh_skip(self, verdict: Verdict) -> Verdict:
        """Accept the level of losses that stay anomalous although the weights have been restored."""
        judge = self.judge
        is_control = judge.cause is SkipCause.DATA and verdict.reason in SOFT_REASONS
        has_changed_nothing = is_control and judge.num_refused >= _NUM_CONTROLS
        if not has_changed_nothing or not self._learns_level:
            return verdict
        judge.overrule()
        self._tolerate(verdict.loss)
        assert verdict.reason is not None
        return self._clear(verdict, LossSeries.STEPS, verdict.reason, ClearedBy.RETURN)

    def _can_tell_by_travel(self, verdict: Verdict) -> bool:
        """Return whether the distances that the weights move say anything about a loss.

        Gradients whose norms never vary are not those of a training on batches. A large gradient alone has moved nothing.
        """
        is_soft = not verdict.is_anomalous or verdict.reason in SOFT_REASONS
        return is_soft and self._learns_level and not self.judge.are_norms_constant

    def _tolerate(self, loss: float) -> None:
        """Without a probe, do not go back again for a loss up to the one that going back has not changed."""
        if self._examiner is None:
            self._course.tolerate(loss)

    def _compare_step(self, examiner: Examiner, verdict: Verdict, batch: Any, step: int) -> Verdict:
        # A gradient that is large but finite has damaged nothing yet; its step may.
        is_soft = verdict.reason in SOFT_REASONS or (
            verdict.reason is PanicReason.GRADIENT and verdict.may_step
        )
        if verdict.is_anomalous and not is_soft:
            examiner.close()
            return verdict
        if not (verdict.is_anomalous or examiner.is_open or examiner.has_jumped(verdict)):
            examiner.note_healthy(verdict.loss, LossSeries.STEPS)
            if not examiner.suspects(verdict, batch, step):
                return verdict
        finding = examiner.examine(
            verdict, batch, have_gradients_grown=self.judge.have_gradients_grown()
        )
        return self._apply(verdict, finding, LossSeries.STEPS)

    def _apply(self, verdict: Verdict, finding: Finding, series: LossSeries) -> Verdict:
        """Return `verdict` as the comparison has changed it."""
        verdict = replace(verdict, evidence=finding.evidence)
        if finding.ruling is Ruling.CONVICTED:
            self.convicted = finding.snapshot
            return _convicted(verdict, finding.reason)
        if finding.ruling is Ruling.CLEARED:
            return self._clear(
                verdict,
                series,
                finding.reason,
                ClearedBy.GRADIENTS if finding.is_gradual else ClearedBy.COMPARISON,
                is_level=finding.is_level,
            )
        return replace(verdict, severity=Severity.PANIC) if verdict.is_anomalous else verdict

    def _clear(
        self,
        verdict: Verdict,
        series: LossSeries,
        reason: PanicReason,
        by: ClearedBy,
        *,
        is_level: bool = True,
    ) -> Verdict:
        """Report an unfounded suspicion and return an OK verdict; the detector learns the level if it `is_level`.

        A single anomalous batch is no level: its history stays, or the detector would know nothing after each of them.
        """
        self.convicted = None
        if series is LossSeries.STEPS:
            self._course.end_control()
            self._movement.note_cleared()
        else:
            self._last_check = None
        if is_level:
            learn_level(self.judge.detector if series is LossSeries.STEPS else self._detector)
        self._report_cleared(verdict, series, reason=reason, by=by)
        return replace(verdict, severity=Severity.OK, reason=None, consecutive_panics=0)


def build_scrutiny(
    model: nn.Module,
    companions: Companions,
    *,
    detector: Detector | None,
    step_detector: Detector | None,
    max_skips: int,
    probe: ProbeFunction | None,
    config: ProbeConfig,
    plan: PlanComparison,
    report_cleared: ReportCleared,
    measure_travel: Callable[[], Travel | None],
) -> Scrutiny:
    """Return the judging half of a governor, with the default detectors where they are None.

    Raises:
        ValueError: a detector lacks a method, or the probe cannot be called or is a module.
    """
    detector = checked_detector("detector", detector, RobustDetector(EPOCH_LIMITS))
    step_detector = checked_detector("step_detector", step_detector, RobustDetector())
    judge = StepJudge(
        step_detector,
        max_skips=max_skips,
        may_have_overflowed=companions.scaling.may_have_overflowed,
        judges_norms=isinstance(step_detector, RobustDetector),
    )
    examiner = None
    if probe is not None:
        modules = (model, *companions.modules.values())
        examiner = Examiner(checked_probe(probe, modules), plan, config)
    return Scrutiny(
        detector, judge, examiner, report_cleared=report_cleared, measure_travel=measure_travel
    )


def _convicted(verdict: Verdict, reason: PanicReason) -> Verdict:
    """Return `verdict` with a rollback for `reason`."""
    return replace(
        verdict,
        severity=Severity.ROLLBACK,
        reason=reason,
        consecutive_panics=max(1, verdict.consecutive_panics),
    )
