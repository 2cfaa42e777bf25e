"""The governor: watches losses, remembers the network while it is healthy, and puts it back when it breaks.

It judges two series of losses, those given to `check_vital_signs` (validation, as a rule one an epoch) and those given
to `before_step` (training), each with a detector of its own. A loop may report either or both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from esper._generated.channel import Channel
from esper._generated.enums import LossSeries, Severity
from esper._generated.records import GovernorReport, SnapshotInfo, StopReport
from esper.leyline.channel import SILENT
from esper.leyline.errors import SnapshotError
from esper.tolaria.detection.detector import Detector
from esper.tolaria.detection.robust import EPOCH_LIMITS, RobustDetector
from esper.tolaria.detection.scalars import to_floats
from esper.tolaria.detection.step_judge import StepJudge
from esper.tolaria.detection.verdict import Verdict, final_verdict, weights_verdict
from esper.tolaria.recovery import stop_record
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.learning_rate_scaling import LearningRateBrake
from esper.tolaria.recovery.recovery import Recovery
from esper.tolaria.snapshots.companions import Companions, Stateful
from esper.tolaria.snapshots.optimizer_state import optimizers_by_name


class TolariaGovernor:
    """Never loses the run: remembers a healthy network, and puts it back when training breaks.

    The model may have slots or none. The loop is the caller's: either it asks `check_vital_signs` and acts on the
    verdict with `snapshot` and `execute_rollback`, or it puts `before_step` and `after_step` around its
    optimizer's step, and finds the verdicts carried out.

    Attributes:
        step: steps taken, or healthy checks where no steps are reported; it never goes back.
        last_rollback: the report of the latest rollback; None before the first.
        stop_report: why the run has been ended; None while it has not.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: Iterable[Optimizer] | Mapping[str, Optimizer] = (),
        companions: Mapping[str, Stateful | nn.Module] | None = None,
        detector: Detector | None = None,
        step_detector: Detector | None = None,
        channel: Channel = SILENT,
        config: GovernorConfig | None = None,
    ) -> None:
        """Watch over `model`; nothing is copied yet.

        Args:
            model: what is trained, with or without slots.
            optimizers: whose state is cleared or restored in a rollback.
            companions: what else goes into a snapshot, by name: schedulers, a GradScaler, a loader, averaged weights.
            detector: judges the losses of `check_vital_signs`; a robust one when None.
            step_detector: judges those of `before_step`; a robust one when None.
            channel: where to tell of what happens.
            config: how to remember and how patient to be; the defaults when None.

        Raises:
            ValueError: a companion has no state to save.
        """
        self.step = 0
        self.last_rollback: GovernorReport | None = None
        self.stop_report: StopReport | None = None
        config = config or GovernorConfig()
        self._interval = config.snapshot_interval
        self._recovery = Recovery(
            model,
            optimizers=optimizers_by_name(optimizers),
            companions=Companions(companions or {}),
            config=config,
            channel=channel,
        )
        self._keeper = self._recovery.keeper
        self._escalation = self._recovery.escalation
        self._detector = detector or RobustDetector(EPOCH_LIMITS)
        self._judge = StepJudge(
            step_detector or RobustDetector(),
            max_skips=config.max_skips,
            is_overflow=self._recovery.companions.has_overflowed,
        )
        self._brake = LearningRateBrake(self._recovery.optimizers.values())
        self._alarm: Verdict | None = None
        self._step_verdict: Verdict | None = None
        self._vouched_loss: float | None = None
        self._is_calm = True

    @property
    def channel(self) -> Channel:
        """Where the governor tells of itself; it may be replaced at any time."""
        return self._recovery.channel

    @channel.setter
    def channel(self, channel: Channel) -> None:
        self._recovery.channel = channel

    @property
    def may_germinate(self) -> bool:
        """Whether seeds may be planted; behind a rollback they may not for some epochs."""
        return self._escalation.may_germinate

    def expect_shift(self) -> None:
        """Announce that losses will change on purpose: a seed is planted, the learning rate restarts, the data changes."""
        self._detector.expect_shift()
        self._judge.detector.expect_shift()

    def check_vital_signs(self, loss: float | Tensor) -> Verdict:
        """Judge a loss, as a rule the validation loss of an epoch.

        A true verdict wants the weights back: call `execute_rollback`. An OK one is the time for `snapshot`.
        """
        loss, _ = to_floats(loss, None)
        if self.stop_report is not None:
            return final_verdict(self.stop_report.reason, loss)
        self._escalation.end_epoch()
        if not self._escalation.counts_steps:
            self._recovery.advance(self.step)
        verdict = self._detector.check(loss)
        if verdict.is_anomalous:
            self._vouched_loss = None
            return self._note(verdict, LossSeries.CHECKS)
        self._alarm = None
        # Validation alone would vouch for a network that training sees drifting away.
        self._vouched_loss = loss if self._is_calm else None
        if not self._escalation.counts_steps:
            self.step += 1
        return verdict

    def snapshot(self) -> SnapshotInfo:
        """Remember the network as it is, and say what that comprises; call it while the network is healthy.

        Raises:
            NotFiniteError: something is not finite.
            SnapshotError: it cannot be copied. Either way earlier snapshots are kept.
        """
        return self._recovery.snapshot(
            self.step,
            self._detector_states(),
            vouched_loss=self._vouched_loss,
            is_doubtful=self._alarm is not None,
        )

    def execute_rollback(self) -> GovernorReport:
        """Put the network back to a snapshot, prune its live seeds, and return the report.

        It goes back to the newest snapshot that has proved itself, the next time to an older one, and takes further
        measures if that repeats itself. What optimizers remember is cleared or restored. The report says what led to it, as
        it was before the counters were reset. A rollback beyond the budget is the last: `stop_report` says so, and
        every further verdict. Call it between steps: a backward pass of before would find weights of after.

        Raises:
            SnapshotError: there is nothing to go back to, or the host has been rebuilt; nothing has been changed.
        """
        self._brake.release()
        is_last = self._alarm is not None and self._escalation.is_exhausted
        report, (state, step_state) = self._recovery.roll_back(self._alarm, self.step)
        self.last_rollback = report
        self._detector.rewind(state)
        self._judge.note_rollback(step_state)
        self._alarm = None
        self._vouched_loss = None
        if report.kept_fossils:
            # The snapshots that knew them are gone; they must not depend on the weights of this one moment.
            self._try_snapshot()
        if is_last:
            self.stop_report = self._recovery.stop(report.reason, self.step)
        return report

    def before_step(self, loss: float | Tensor, grad_norm: float | Tensor | None = None) -> Verdict:
        """Judge a training loss and the norm of its gradient, before the optimizer takes the step.

        The verdict has been carried out. OK and PANIC let the caller step (`may_step`). SKIP does not: the gradient is not
        finite, or the loss is anomalous though the weights have just been put back, or batches are passed over.
        ROLLBACK has put the weights back. STOP has too, and wants the loop to end. Where the step may not be taken,
        gradients have been dropped. The first call takes the first snapshot.

        Raises:
            SnapshotError: the first snapshot cannot be taken.
        """
        self._step_verdict = None
        self._brake.release()
        loss, grad_norm = to_floats(loss, grad_norm)
        if self.stop_report is not None:
            self._step_verdict = final_verdict(self.stop_report.reason, loss)
            return self._step_verdict
        self._escalation.count_steps()
        is_passed_over = self._escalation.skip_batch()
        if not is_passed_over:
            # Nothing is learnt of the fault while batches are passed over, so that time does not count.
            self._recovery.advance(self.step)
        if self._keeper.newest is None:
            self.snapshot()
        elif self._keeper.lacks_fossil and not self._try_snapshot():
            return self._carry_out(weights_verdict(loss))
        return self._carry_out(self._judge.judge(loss, grad_norm, is_passed_over=is_passed_over))

    def after_step(self) -> Verdict:
        """Count the step that has been taken, and take a snapshot when one is due.

        The verdict is that of `before_step`, unless weights are found that are not finite: then it is ROLLBACK or STOP,
        and has been carried out. Where the step was not to be taken nothing is done.

        Raises:
            ValueError: `before_step` has not been called.
        """
        verdict, self._step_verdict = self._step_verdict, None
        if verdict is None:
            raise ValueError("after_step must follow before_step, got none; call it first")
        self._brake.release()
        if not verdict.may_step:
            return verdict
        self.step += 1
        self._vouched_loss = None
        self._judge.note_step()
        is_healthy = verdict.severity is Severity.OK
        self._keeper.note_step(is_healthy=is_healthy)
        if is_healthy:
            is_due = self.step - self._recovery.last_snapshot_step >= self._interval
            if is_due and not self._try_snapshot():
                return self._carry_out(weights_verdict(verdict.loss))
        return verdict

    @contextmanager
    def guard(
        self, loss: float | Tensor, grad_norm: float | Tensor | None = None
    ) -> Iterator[Verdict]:
        """Put `before_step` and `after_step` around a step: `with governor.guard(loss) as verdict:`."""
        verdict = self.before_step(loss, grad_norm)
        try:
            yield verdict
        except BaseException:
            self._brake.release()
            raise
        self.after_step()

    def state_dict(self) -> dict[str, Any]:
        """Return counters, statistics and snapshots, for a checkpoint that `torch.load` reads with `weights_only=True`.

        The tensors are those of the snapshots themselves, so save it before the next step. It is about as large as the
        snapshots are: up to five times the weights.
        """
        return {
            "step": self.step,
            "vouched_loss": self._vouched_loss,
            "is_calm": self._is_calm,
            "stop": None if self.stop_report is None else stop_record.to_record(self.stop_report),
            "detector": self._detector.state_dict(),
            "judge": self._judge.state_dict(),
            "recovery": self._recovery.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` returned; the model must be as it was at that time.

        Raises:
            SnapshotError: the model cannot be saved.
            ValueError: it is the state of something else; this governor is as it was.
        """
        own = self.state_dict()
        try:
            self._load(state)
        except (KeyError, TypeError) as error:
            self._load(own)
            raise ValueError(
                "a state must be what `state_dict` of a governor with the same detectors returned, got another"
                f" ({type(error).__name__}: {error}); build the governor as it was"
            ) from error

    def _load(self, state: Mapping[str, Any]) -> None:
        self._recovery.load_state_dict(state["recovery"])
        self._detector.load_state_dict(state["detector"])
        self._judge.load_state_dict(state["judge"])
        self.step = state["step"]
        self._vouched_loss = state["vouched_loss"]
        self._is_calm = state["is_calm"]
        self.stop_report = None if state["stop"] is None else stop_record.from_record(state["stop"])

    def _carry_out(self, verdict: Verdict) -> Verdict:
        """Tell of the verdict on a step, do what it says, and return it, worse if need be."""
        self._alarm = None
        if verdict.is_anomalous:
            verdict = self._note(verdict, LossSeries.STEPS)
        if not verdict.may_step:
            self._recovery.drop_gradients()
        if verdict.severity is Severity.SKIP:
            self._recovery.undo_passes()
            self._recovery.tell_of_skip(verdict, self._judge, self.step)
        elif verdict:
            verdict = self._go_back(verdict)
        elif (factor := self._escalation.learning_rate_factor) != 1.0:
            self._brake.press(factor)
        self._step_verdict = verdict
        self._is_calm = verdict.severity is not Severity.PANIC
        return verdict

    def _note(self, verdict: Verdict, series: LossSeries) -> Verdict:
        """Tell of an anomalous check, and return the verdict with its final severity."""
        if verdict and self._escalation.is_exhausted:
            verdict = replace(verdict, severity=Severity.STOP)
        self._alarm = verdict
        self._recovery.tell_of_panic(verdict, series)
        return verdict

    def _go_back(self, verdict: Verdict) -> Verdict:
        """Roll back; when that cannot be done, the run is over."""
        try:
            self.execute_rollback()
        except SnapshotError as error:
            assert verdict.reason is not None
            self.stop_report = self._recovery.stop(verdict.reason, self.step, str(error))
            return replace(verdict, severity=Severity.STOP)
        return verdict

    def _try_snapshot(self) -> bool:
        """Take a snapshot on the governor's own account; return False when something is not finite."""
        return self._recovery.try_snapshot(self.step, self._detector_states())

    def _detector_states(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        return self._detector.state_dict(), self._judge.detector.state_dict()
