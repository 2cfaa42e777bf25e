"""The governor: judges losses, takes snapshots while training is healthy, and rolls back when it breaks.

It judges two series of losses: those given to `check_vital_signs` (validation) and those given to `before_step` (training).
Detectors judge losses (`detection/`), a comparison weighs their alarms (`probing/`), and `Recovery` acts (`recovery/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.optim import Optimizer

from esper._generated.channel import Channel
from esper._generated.enums import LossSeries, Severity, SkipCause
from esper._generated.records import GovernorReport, SnapshotInfo, StopReport
from esper.leyline.arguments import describe
from esper.leyline.channel import SILENT
from esper.leyline.errors import SnapshotError
from esper.tolaria.detection.detector import Detector
from esper.tolaria.detection.loss_value import to_floats
from esper.tolaria.detection.verdict import Verdict, final_verdict, weights_verdict
from esper.tolaria.probing.probe import ProbeFunction
from esper.tolaria.probing.scrutiny import build_scrutiny
from esper.tolaria.ranks import check_single_rank
from esper.tolaria.recovery.config import GovernorConfig, checked_config
from esper.tolaria.recovery.recovery import Recovery
from esper.tolaria.recovery.stop_report import stop_report_from_state_dict, stop_report_state_dict
from esper.tolaria.recovery.watch import Watch, WatchReport
from esper.tolaria.snapshots.companions import Companions, Stateful
from esper.tolaria.snapshots.optimizer_state import optimizers_by_name
from esper.tolaria.snapshots.serialization import with_present_keys


class TolariaGovernor:
    """Keeps a training run alive: takes verified snapshots and rolls back when training breaks.

    The training loop stays the caller's. Either it calls `check_vital_signs` and acts on the verdict with `snapshot` and
    `execute_rollback`, or it puts two calls around the optimizer's step, and the governor rolls back by itself:

        if governor.before_step(loss, batch=batch).may_step:
            optimizer.step()
        if governor.after_step().must_stop:
            break

    Without a listener on its channel it warns of all that it does through the standard library's logger `esper`.

    Attributes:
        optimizers: the optimizers that it was given, by name; `loss_scaling` has the GradScalers among its companions.
        last_rollback: the report of the latest rollback; None before the first.
        stop_report: why the run was stopped; None while it goes on.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: Iterable[Optimizer] | Mapping[str, Optimizer] = (),
        companions: Mapping[str, Stateful | nn.Module] | None = None,
        detector: Detector | None = None,
        step_detector: Detector | None = None,
        probe: ProbeFunction | None = None,
        channel: Channel = SILENT,
        config: GovernorConfig | None = None,
    ) -> None:
        """Govern the training of `model`; build it before the first forward pass.

        Args:
            model: the network in training, with or without slots.
            optimizers: the optimizers whose state a rollback clears or restores.
            companions: further state to save in snapshots, by name: of schedulers, a GradScaler, a loader, averaged weights.
            detector: judges the losses given to `check_vital_signs`; by default a `RobustDetector` with `EPOCH_LIMITS`.
            step_detector: judges the losses given to `before_step`; by default a `RobustDetector`.
            probe: returns the losses of a batch under the present weights, one for each sample, (B,), or a single number.
                With it an anomaly leads to a rollback only if a snapshot does clearly better on the same batches.
            channel: where telemetry is emitted.
            config: all settings; by default `GovernorConfig()`.

        Raises:
            ValueError: an argument is of another type, a companion has no state to save, an optimizer is of another model,
                or this process is one of several ranks of `torch.distributed`.
        """
        check_single_rank()
        self.last_rollback: GovernorReport | None = None
        self.stop_report: StopReport | None = None
        config = checked_config(config)
        all_companions = Companions({} if companions is None else companions)
        self._recovery = Recovery(
            model,
            optimizers=optimizers_by_name(optimizers),
            companions=all_companions,
            config=config,
            channel=channel,
            has_probe=probe is not None,
        )
        self.optimizers = self._recovery.optimizers
        self.loss_scaling = all_companions.scaling
        self._scrutiny = build_scrutiny(
            model,
            all_companions,
            detector=detector,
            step_detector=step_detector,
            max_skips=config.max_skips,
            probe=probe,
            config=config.probe,
            plan=self._recovery.plan_comparison,
            report_cleared=self._recovery.report_cleared,
            measure_travel=self._recovery.measure_travel,
        )
        accept, reports = self._scrutiny.accept, self._recovery.reports
        self._watch = Watch(reports, accept=accept) if config.mode == "watch" else None
        self._alarm: Verdict | None = None
        self._step_verdict: Verdict | None = None
        self._validated_loss: float | None = None
        self._is_calm = True  # whether the last training loss did not panic

    @property
    def step(self) -> int:
        """Steps taken, or healthy checks where the loop reports no steps; it never decreases."""
        return self._recovery.step

    @property
    def channel(self) -> Channel:
        """Where the governor emits telemetry; it may be replaced at any time."""
        return self._recovery.reports.channel

    @channel.setter
    def channel(self, channel: Channel) -> None:
        self._recovery.reports.channel = channel

    @property
    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        """The snapshots that are kept, newest first, and the fallback snapshot last if there is one."""
        return tuple(snapshot.info for snapshot in self._recovery.snapshots)

    @property
    def is_recovering(self) -> bool:
        """Whether there was a rollback recently, so that the next one takes further measures."""
        return self._recovery.is_recovering

    @property
    def may_germinate(self) -> bool:
        """Whether seeds may be planted; after a rollback they may not for some epochs."""
        return self._recovery.may_germinate

    @property
    def watch_report(self) -> WatchReport | None:
        """What a governor in the mode "watch" would have done so far; None in the mode "act"."""
        return None if self._watch is None else self._watch.report(self.step)

    def expect_shift(self) -> None:
        """Announce that losses will change on purpose: a seed is planted, the learning rate restarts, the data changes."""
        self._scrutiny.expect_shift(self._recovery.next_snapshot_id)

    def check_vital_signs(
        self, loss: float | Tensor, *, batches: Iterable[Any] | None = None
    ) -> Verdict:
        """Judge a loss, usually the validation loss of an epoch.

        If the verdict `needs_rollback`, call `execute_rollback`. If it is OK, it is time for a `snapshot`. `loss` is any
        number or a tensor with one element. The probe compares weights on the first few validation `batches`, if given.

        Raises:
            ProbeError, ValueError: the probe returned no losses, or others when called again; `loss` is not one number,
                or this process has become one of several ranks.
        """
        check_single_rank()
        loss = to_floats(loss, None)[0]
        if self.stop_report is not None:
            return final_verdict(self.stop_report.reason, loss)
        self._recovery.begin_check()
        verdict = self._scrutiny.judge_check(loss, batches)
        if verdict.is_anomalous:
            self._validated_loss = None
            if self._watch is not None:
                return self._watch.answer(verdict, LossSeries.CHECKS, self.step)
            return self._raise_alarm(verdict, LossSeries.CHECKS)
        self._alarm = None
        # A good validation loss does not prove that the weights are sound while training losses are anomalous.
        self._validated_loss = loss if self._is_calm else None
        self._recovery.end_healthy_check()
        return verdict

    def snapshot(self, *, validated_loss: float | None = None) -> SnapshotInfo:
        """Save the present state of training, and return a description; call it while training is healthy.

        Args:
            validated_loss: the validation loss of these weights, where they have been changed on purpose and validated by
                other means than `check_vital_signs`. The snapshot is trusted at once, so that no rollback undoes the change.

        Raises:
            NotFiniteError: a tensor is not finite; the earlier snapshots are kept.
            SnapshotError: a tensor cannot be copied; the earlier snapshots are kept.
        """
        return self._recovery.snapshot(
            self._scrutiny.detector_states,
            validated_loss=self._validated_loss if validated_loss is None else validated_loss,
            is_doubtful=self._alarm is not None,
        )

    def execute_rollback(self) -> GovernorReport:
        """Restore a snapshot, prune the live seeds, and return a report with the reason and the actions.

        `docs/governor.md` says which snapshot, and lists the measures of repeated rollbacks. One beyond the budget sets
        `stop_report`, and every further verdict is STOP. Call it between steps, not between `backward` and the
        optimizer's step: a stale graph would be applied to the restored weights.

        Raises:
            SnapshotError: there is no intact snapshot, or the model has been rebuilt; the model is unchanged.
        """
        is_last = self._alarm is not None and self._recovery.is_exhausted
        progress_before = self._recovery.progress
        report, states = self._recovery.roll_back(self._alarm, chosen=self._scrutiny.convicted)
        self.last_rollback = report
        progress = self._recovery.progress
        self._scrutiny.note_rollback(states, progress, num_undone=progress_before - progress)
        self._alarm = None
        self._validated_loss = None
        if report.kept_fossils:
            # The snapshots that held these fossils were discarded; without a new one their weights exist only once.
            self._try_snapshot()
        if is_last:
            self.stop_report = self._recovery.stop(report.reason)
        return report

    def before_step(
        self, loss: float | Tensor, grad_norm: float | Tensor | None = None, *, batch: Any = None
    ) -> Verdict:
        """Judge a training loss and the norm of its gradient before the optimizer's step, and act on the verdict.

        - OK and PANIC: the optimizer may step (`may_step`).
        - SKIP: it may not: the gradient is not finite, the loss is anomalous although the weights have just been restored,
          or batches are skipped after repeated rollbacks.
        - ROLLBACK: it may not; the weights have been restored.
        - STOP: it may not; the weights have been restored if possible, and the loop must end (`must_stop`).

        If the optimizer may not step, the gradients have been dropped. The first call takes the first snapshot. `loss` and
        `grad_norm`, the total norm before clipping, are any numbers, NaN included, or tensors with one element. The probe, if
        there is one, needs the `batch` that the loss is of.

        Raises:
            ProbeError, SnapshotError: the probe returned no losses, or others when called again; the first snapshot fails.
            ValueError: `loss` or `grad_norm` is not one number, there is a probe and no batch, or there are several ranks.
        """
        check_single_rank()
        self._scrutiny.check_batch(batch)
        self._step_verdict = None
        self._recovery.reset_learning_rates()
        loss, grad_norm = to_floats(loss, grad_norm)
        if self.stop_report is not None:
            self.loss_scaling.note_refusal(is_overflow=False)
            self._step_verdict = final_verdict(self.stop_report.reason, loss)
            return self._step_verdict
        is_planned_skip = self._recovery.begin_step()
        if not self._recovery.has_snapshot:
            is_sound = self._recovery.take_first_snapshot(
                self._scrutiny.detector_states,
                validated_loss=self._validated_loss,
                may_undo=self._watch is None,
            )
        else:
            is_sound = not self._recovery.lacks_fossil or self._try_snapshot()
        if not is_sound:
            return self._act_on(weights_verdict(loss))
        verdict = self._scrutiny.judge.judge(loss, grad_norm, is_planned_skip=is_planned_skip)
        progress = self._recovery.progress
        return self._act_on(self._scrutiny.weigh_step(verdict, batch, self.step, progress))

    def after_step(self) -> Verdict:
        """Count the step that was taken, and take a snapshot when one is due.

        Return the verdict of `before_step`, or that on a snapshot whose weights are not finite. A refused step is not counted.

        Raises:
            ValueError: `before_step` has not been called.
        """
        verdict, self._step_verdict = self._step_verdict, None
        if verdict is None:
            raise ValueError("after_step must follow before_step, which was not called")
        self._recovery.reset_learning_rates()
        if not verdict.may_step:
            self.loss_scaling.end_refused_step()
            return verdict
        is_healthy = verdict.severity is Severity.OK and not self._scrutiny.is_in_doubt
        self._validated_loss = None
        self._scrutiny.judge.note_step()
        self._recovery.end_step(is_healthy=is_healthy)
        if is_healthy and self._recovery.is_snapshot_due and not self._try_snapshot():
            return self._act_on(weights_verdict(verdict.loss))
        return verdict

    @contextmanager
    def guard(
        self, loss: float | Tensor, grad_norm: float | Tensor | None = None, *, batch: Any = None
    ) -> Iterator[Verdict]:
        """Call `before_step`, then the body of `with governor.guard(loss) as verdict:`, then `after_step`.

        If `after_step` stops the run, the next verdict must stop.

        Raises:
            ProbeError, SnapshotError, ValueError: the same as in `before_step`.
        """
        verdict = self.before_step(loss, grad_norm, batch=batch)
        try:
            yield verdict
        except BaseException:
            self._recovery.reset_learning_rates()
            raise
        self.after_step()

    def __getstate__(self) -> NoReturn:
        """Refuse to be copied or pickled: the copy would write into the weights of this governor's network.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a governor must stay with the network that it was built for, so it cannot be copied or pickled;"
            " build another one and give it the state: governor.load_state_dict(other.state_dict())"
        )

    def state_dict(self, *, light: bool = False) -> dict[str, Any]:
        """Return counters, detector states and snapshots, for a checkpoint that `torch.load` reads with `weights_only=True`.

        The tensors are those of the snapshots themselves, so save it before the next step. By default it holds up to five
        snapshots, each as large as the weights, or thrice with the state of Adam. Batches are not saved. With `light` it
        holds the newest snapshot only, and a resumed run cannot be rolled back further.
        """
        return {
            "step": self.step,
            "validated_loss": self._validated_loss,
            "is_calm": self._is_calm,
            "stop": stop_report_state_dict(self.stop_report),
            "recovery": self._recovery.state_dict(light=light),
            "watch": None if self._watch is None else self._watch.state_dict(),
            **self._scrutiny.state_dict(),
        }

    def detection_state(self) -> dict[str, Any]:
        """Return what the detectors know, in plain types, without counters and snapshots."""
        return self._scrutiny.state_dict()

    def load_detection_state(self, state: Mapping[str, Any]) -> None:
        """Judge as at the time of `detection_state`, for a model that is put back by other means than a rollback."""
        self._scrutiny.load_state_dict(state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; the model must have the structure that it had at that time.

        Raises:
            SnapshotError: the model cannot be saved, or the snapshots are of another model; nothing has been changed.
            ValueError: `state` is not that of a governor with the same detectors; nothing has been changed.
        """
        if not isinstance(state, Mapping):
            raise ValueError(f"a state must be what `state_dict` returned, got {describe(state)}")
        own = self.state_dict()
        try:
            self._load(with_present_keys(state))
        except (KeyError, TypeError) as error:
            self._load(own)
            raise ValueError(
                "a state must be what `state_dict` of a governor with the same detectors returned, got another"
                f" ({type(error).__name__}: {error}); build the governor as it was"
            ) from error

    def _load(self, state: Mapping[str, Any]) -> None:
        self._recovery.load_state_dict(state["recovery"])
        self._scrutiny.load_state_dict(state)
        if self._watch is not None:
            self._watch.load_state_dict(state.get("watch"))
        self._recovery.step = state["step"]
        self._validated_loss = state["validated_loss"]
        self._is_calm = state["is_calm"]
        self.stop_report = stop_report_from_state_dict(state["stop"])

    def _act_on(self, verdict: Verdict) -> Verdict:
        """Report the verdict on a step, act on it, and return it; it becomes STOP if no rollback is possible."""
        self._alarm = None
        if self._watch is not None:
            verdict = self._watch.answer(verdict, LossSeries.STEPS, self.step)
        elif verdict.is_anomalous:
            verdict = self._raise_alarm(verdict, LossSeries.STEPS)
        if not verdict.may_step:
            self._recovery.drop_gradients()
            is_overflow = self._scrutiny.judge.cause is SkipCause.OVERFLOW
            self.loss_scaling.note_refusal(is_overflow=is_overflow)
        if verdict.severity is Severity.SKIP:
            self._recovery.skip_step(verdict, self._scrutiny.judge)
        elif verdict.needs_rollback:
            verdict = self._roll_back_or_stop(verdict)
        else:
            self._recovery.scale_learning_rates()
        self._step_verdict = verdict
        self._is_calm = verdict.severity is not Severity.PANIC and not self._scrutiny.is_open
        return verdict

    def _raise_alarm(self, verdict: Verdict, series: LossSeries) -> Verdict:
        """Report an anomalous check, and return the verdict; it is STOP if the budget of rollbacks is used up."""
        if verdict.needs_rollback and self._recovery.is_exhausted:
            verdict = replace(verdict, severity=Severity.STOP)
        self._alarm = verdict
        self._recovery.reports.panic(verdict, series)
        return verdict

    def _roll_back_or_stop(self, verdict: Verdict) -> Verdict:
        """Roll back; if that is impossible, stop the run."""
        try:
            self.execute_rollback()
        except SnapshotError as error:
            assert verdict.reason is not None
            self.stop_report = self._recovery.stop(verdict.reason, str(error))
            return replace(verdict, severity=Severity.STOP)
        return verdict

    def _try_snapshot(self) -> bool:
        """Take a snapshot that the caller has not asked for; return False if a tensor is not finite."""
        return self._recovery.try_snapshot(self._scrutiny.detector_states)
