"""The acting half of the governor: takes snapshots, rolls back, escalates, stops the run, and reports all of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from esper._generated.channel import Channel
from esper._generated.enums import ClearedBy, LossSeries, PanicReason, SnapshotFault
from esper._generated.records import GovernorReport, SnapshotInfo, StopReport
from esper.kasmina.graft import find_slots
from esper.leyline.arguments import instance_of
from esper.leyline.errors import SnapshotError
from esper.leyline.text import shorten
from esper.tolaria.detection.step_judge import StepJudge
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import Escalation
from esper.tolaria.recovery.learning_rate_scaling import LearningRateScaling
from esper.tolaria.recovery.log_warnings import action_names, warn_of_missing_snapshot
from esper.tolaria.recovery.reporting import MAX_MESSAGE, Reports, rollback_report
from esper.tolaria.recovery.rollback import roll_back_network
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.finite import NotFiniteError
from esper.tolaria.snapshots.optimizer_state import check_optimizers
from esper.tolaria.snapshots.restore import RestorePlan
from esper.tolaria.snapshots.retention import SnapshotKeeper
from esper.tolaria.snapshots.store import Snapshot, SnapshotContext, SnapshotStore
from esper.tolaria.snapshots.travel import Travel, learning_rates

DetectorStates = tuple[Mapping[str, Any], ...]
"""State dicts of the detectors, that of checks first."""


class Recovery:
    """Carries out the governor's decisions, and counts steps.

    Attributes:
        optimizers: the optimizers whose state is cleared or restored, in order.
        reports: emits telemetry and warnings.
        step: steps taken, or healthy checks where the loop reports no steps; it never decreases.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: Mapping[str, Optimizer],
        companions: Companions,
        config: GovernorConfig,
        channel: Channel,
        has_probe: bool = False,
    ) -> None:
        """Prepare to save and restore `model`, `optimizers` and `companions`; only buffers are copied now.

        Raises:
            ValueError: `model` is not a module, `channel` is not a channel, or an optimizer is of another model or takes no hooks on its step.
        """
        instance_of("model", model, nn.Module, "pass the network")
        check_optimizers(optimizers, (model, *companions.modules.values()))
        self.reports = Reports(channel)
        self.step = 0
        self._model = model
        self.optimizers = tuple(optimizers.values())
        self._optimizers = optimizers
        self._companions = companions
        self._restores_optimizers = config.optimizer_state == "restore"
        self._snapshot_interval = config.snapshot_interval
        self._last_snapshot_step = 0
        store = SnapshotStore(
            model,
            optimizers=optimizers if self._restores_optimizers else {},
            companions=companions,
            saves_random_state=config.random_state,
        )
        self._keeper = SnapshotKeeper(
            store,
            older_ages=config.older_snapshot_ages,
            trust_after_steps=config.trust_after_steps,
        )
        self._escalation = Escalation(
            config.escalation,
            can_slow_down=bool(optimizers),
            can_hold_germination=bool(find_slots(model)),
            skips_first=has_probe,
        )
        self._learning_rates = LearningRateScaling(optimizers.values())

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshots kept, newest first, and the fallback snapshot last if there is one."""
        return self._keeper.snapshots

    @property
    def has_snapshot(self) -> bool:
        """Whether a snapshot has been taken."""
        return self._keeper.newest is not None

    @property
    def next_snapshot_id(self) -> int:
        """Number of the next snapshot."""
        return self._keeper.next_id

    @property
    def is_snapshot_due(self) -> bool:
        """Whether the last attempt to take a snapshot is `snapshot_interval` steps ago."""
        return self.step - self._last_snapshot_step >= self._snapshot_interval

    @property
    def lacks_fossil(self) -> bool:
        """Whether the model holds a fossil that is not in the newest snapshot."""
        return self._keeper.lacks_fossil

    @property
    def is_exhausted(self) -> bool:
        """Whether the next rollback stops the run, unless the caller orders it."""
        return self._escalation.is_exhausted

    @property
    def progress(self) -> int:
        """Steps that the present weights have been trained for; unlike `step` it decreases in a rollback."""
        return self._keeper.progress

    @property
    def is_recovering(self) -> bool:
        """Whether there was a rollback within the present window."""
        return bool(self._escalation.snapshot_ids)

    @property
    def may_germinate(self) -> bool:
        """Whether seeds may be planted."""
        return self._escalation.may_germinate

    def begin_step(self) -> bool:
        """Start a training step, and return whether the escalation skips its batch."""
        self._escalation.count_steps()
        is_planned_skip = self._escalation.consume_skip()
        if not is_planned_skip:
            # While batches are skipped, nothing shows whether the fault is over, so that time does not count.
            self._advance_window()
        return is_planned_skip

    def end_step(self, *, is_healthy: bool) -> None:
        """Count a step that the optimizer has taken."""
        self.step += 1
        self._keeper.note_step(is_healthy=is_healthy)

    def begin_check(self) -> None:
        """Start the check of a validation loss, which counts as the end of an epoch."""
        self._escalation.end_epoch()
        if not self._escalation.counts_steps:
            self._advance_window()

    def end_healthy_check(self) -> None:
        """Count a healthy check as a step if the loop reports no steps."""
        if not self._escalation.counts_steps:
            self.step += 1

    def snapshot(
        self,
        detectors: DetectorStates,
        *,
        validated_loss: float | None = None,
        is_doubtful: bool = False,
    ) -> SnapshotInfo:
        """Take a snapshot, keep it and report it; the arguments are those of `SnapshotContext`.

        Raises:
            NotFiniteError: a tensor is not finite. The failure is reported, and the earlier snapshots are kept.
            SnapshotError: a tensor cannot be copied. The failure is reported, and the earlier snapshots are kept.
        """
        self._last_snapshot_step = self.step
        context = SnapshotContext(
            step=self.step,
            detectors=detectors,
            validated_loss=validated_loss,
            is_doubtful=is_doubtful,
            rates=learning_rates(self.optimizers),
        )
        try:
            taken = self._keeper.take(context)
        except SnapshotError as error:
            is_finite = not isinstance(error, NotFiniteError)
            fault = SnapshotFault.NOT_COPIED if is_finite else SnapshotFault.NOT_FINITE
            self.reports.snapshot_fault(fault, self._keeper.next_id, self.step, str(error))
            raise
        self.reports.snapshot(taken.info)
        return taken.info

    def try_snapshot(self, detectors: DetectorStates) -> bool:
        """Try to take a snapshot; return False if a tensor is not finite, otherwise True.

        If it cannot be copied for another reason, that is reported, and the next snapshot is taken when it is due.
        """
        try:
            self.snapshot(detectors)
        except NotFiniteError:
            return False
        except SnapshotError as error:
            if not self.reports.channel.listening:
                warn_of_missing_snapshot(error, step=self.step)
        return True

    def take_first_snapshot(
        self, detectors: DetectorStates, *, validated_loss: float | None, may_undo: bool
    ) -> bool:
        """Take the first snapshot; return False if the first batch had made buffers NaN or infinite.

        With `may_undo` they are put back before.

        Raises:
            SnapshotError: a tensor cannot be copied, or is not finite and cannot be put back.
        """
        try:
            self.snapshot(detectors, validated_loss=validated_loss)
        except NotFiniteError:
            if may_undo:
                if not self._keeper.undo_first_batch():
                    raise
                self.snapshot(detectors)
            return False
        return True

    def plan_comparison(
        self, reason: PanicReason, *, older_than: Snapshot | None = None
    ) -> RestorePlan | None:
        """Return the plan that a rollback for `reason` would carry out now; None if there is no intact snapshot.

        With `older_than` it is that for the next older snapshot.

        Raises:
            SnapshotError: the host has been rebuilt.
        """
        if older_than is not None:
            return self._keeper.plan_older(older_than)
        target = self._escalation.choose_target(reason, has_older=self._keeper.has_older)
        return self._keeper.plan_comparison(target, report_corrupt=self._report_corrupt)

    def measure_travel(self) -> Travel | None:
        """Return how far the weights have moved since a trusted snapshot; None if nothing shows what is usual."""
        return self._keeper.measure_travel(learning_rates(self.optimizers))

    def roll_back(
        self, alarm: Verdict | None, *, chosen: Snapshot | None = None
    ) -> tuple[GovernorReport, DetectorStates]:
        """Restore a snapshot; return the report and the states that the detectors had when the snapshot was taken.

        Args:
            alarm: the verdict that led to the rollback; None if the caller has ordered it.
            chosen: the snapshot that a comparison has found to be better; None if there was no comparison.

        Raises:
            SnapshotError: there is no intact snapshot, the host has been rebuilt, or a saved companion is missing; the
                model is unchanged.
        """
        started = time.perf_counter()
        self._learning_rates.reset()
        reason = alarm.reason if alarm is not None and alarm.reason else PanicReason.ORDERED
        target = self._escalation.choose_target(reason, has_older=self._keeper.has_older)
        corrupt: list[int] = []

        def report_corrupt(number: int) -> None:
            corrupt.append(number)
            self._report_corrupt(number)

        plan = self._keeper.plan_restore(
            target,
            chosen=chosen,
            is_last=self._escalation.is_exhausted,
            report_corrupt=report_corrupt,
        )
        self._companions.check_state_dict(plan.snapshot.non_tensors.companions)
        result = roll_back_network(
            plan,
            reason=reason,
            optimizers=self._optimizers,
            clears_optimizers=not self._restores_optimizers,
        )
        self._keeper.note_rollback(plan.snapshot)
        if alarm is None:
            measures = self._escalation.ordered_measures()
        else:
            snapshot_id = plan.snapshot.info.snapshot_id
            measures = self._escalation.respond(target, snapshot_id=snapshot_id)
        # Last, because it calls code of the user: if that raises, all else has been done and counted.
        plan.restore_companions(self._companions)
        report = rollback_report(
            reason,
            alarm,
            plan.snapshot.info,
            result,
            measures,
            from_step=self.step,
            corrupt=corrupt,
            duration_s=time.perf_counter() - started,
        )
        self.reports.rollback(report, measures)
        return report, plan.snapshot.context.detectors

    def stop(self, reason: PanicReason, message: str = "") -> StopReport:
        """Report the end of the run and return the report.

        Args:
            reason: the anomaly that ends the run.
            message: why the run ends; by default that the budget of rollbacks is used up.
        """
        escalation = self._escalation
        report = StopReport(
            reason=reason,
            step=self.step,
            budget=escalation.budget,
            window=escalation.window,
            tried=escalation.tried,
            snapshot_ids=escalation.snapshot_ids,
            message=shorten(
                message
                or f"{reason.name} at step {self.step}, after {escalation.budget} rollbacks within"
                f" {escalation.window}; tried: {action_names(escalation.tried)}",
                MAX_MESSAGE,
            ),
        )
        self.reports.stopped(report)
        return report

    def skip_step(self, verdict: Verdict, judge: StepJudge) -> None:
        """Report that `judge` has refused the step; undo what its forward pass changed, if the last snapshot allows it.

        A batch of NaN makes the running statistics of batch normalisation NaN even if its step is not taken. The newest
        snapshot is restored if no step was taken since.
        """
        plan = self._keeper.plan_undo()
        if plan is not None:
            plan.restore_tensors(self._optimizers)
        assert judge.cause is not None
        self.reports.skip(
            verdict,
            cause=judge.cause,
            step=self.step,
            grad_norm=judge.grad_norm,
            skips_in_a_row=judge.skips_in_a_row,
        )

    def drop_gradients(self) -> None:
        """Drop the gradients of a refused step, so that they are not added to those of the next."""
        self._model.zero_grad(set_to_none=True)
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def scale_learning_rates(self) -> None:
        """Lower the learning rates of the next step by the escalation's present factor."""
        factor = self._escalation.learning_rate_factor
        if factor != 1.0:
            self._learning_rates.apply(factor)

    def reset_learning_rates(self) -> None:
        """Use the full learning rates again."""
        self._learning_rates.reset()

    def report_cleared(
        self, verdict: Verdict, series: LossSeries, *, reason: PanicReason, by: ClearedBy
    ) -> None:
        """Report that the suspicion `reason` was unfounded; `verdict` is on the last loss."""
        if by is ClearedBy.RETURN:
            self._escalation.forget_attempts()
        self.reports.cleared(verdict, series, step=self.step, reason=reason, by=by)

    def state_dict(self, *, light: bool = False) -> dict[str, Any]:
        """Return all counters, except `step`, and all snapshots, or the newest if `light`, in plain types and tensors."""
        return {
            "keeper": self._keeper.state_dict(light=light),
            "escalation": self._escalation.state_dict(),
            "last_snapshot_step": self._last_snapshot_step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            SnapshotError: the model cannot be saved, or the snapshots are of another model.
            KeyError, TypeError: an entry of `state` is missing or unknown.
        """
        self._keeper.load_state_dict(state["keeper"])
        self._escalation.load_state_dict(state["escalation"])
        self._last_snapshot_step = state["last_snapshot_step"]

    def _advance_window(self) -> None:
        """Count a step or a check; if that ends a window with rollbacks, report that the run has recovered."""
        attempts = self._escalation.advance()
        if attempts:
            self._keeper.discard_fallback()
            self.reports.recovered(self.step, attempts)

    def _report_corrupt(self, number: int) -> None:
        message = f"the bytes of snapshot {number} are no longer what was saved"
        self.reports.snapshot_fault(SnapshotFault.CORRUPT, number, self.step, message)
