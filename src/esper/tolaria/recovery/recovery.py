"""The acting half of the governor: takes snapshots, goes back to them, escalates, ends the run, and tells of it all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from esper._generated.channel import Channel
from esper._generated.enums import LossSeries, PanicReason, SnapshotFault
from esper._generated.governor import (
    emit_governor_escalated,
    emit_governor_panic,
    emit_governor_recovered,
    emit_governor_rollback,
    emit_governor_snapshot,
    emit_governor_snapshot_failed,
    emit_governor_step_skipped,
    emit_governor_stopped,
)
from esper._generated.records import GovernorReport, SnapshotInfo, StopReport
from esper.kasmina.graft import find_slots
from esper.leyline.errors import SnapshotError
from esper.leyline.text import shorten
from esper.tolaria.detection.step_judge import StepJudge
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import Escalation
from esper.tolaria.recovery.rollback import carry_out
from esper.tolaria.snapshots.companions import Companions
from esper.tolaria.snapshots.finite import NotFiniteError
from esper.tolaria.snapshots.restore import Restoration
from esper.tolaria.snapshots.retention import SnapshotKeeper
from esper.tolaria.snapshots.store import SnapshotStore

_MAX_MESSAGE = 1024
"""Characters that the telemetry contract allows a message."""

DetectorStates = tuple[Mapping[str, Any], ...]


class Recovery:
    """Does what the governor has decided.

    Attributes:
        channel: where to tell of it; may be replaced at any time.
        keeper: the snapshots.
        escalation: what accompanies repeated rollbacks.
        optimizers: the optimizers, by name.
        companions: what else is saved.
        last_snapshot_step: step of the newest attempt at a snapshot.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: Mapping[str, Optimizer],
        companions: Companions,
        config: GovernorConfig,
        channel: Channel,
    ) -> None:
        """Be ready to remember `model`; nothing is copied yet."""
        self.channel = channel
        self.optimizers = optimizers
        self.companions = companions
        self.last_snapshot_step = 0
        self._model = model
        self._restores_optimizers = config.optimizer_state == "restore"
        store = SnapshotStore(
            model,
            optimizers=optimizers if self._restores_optimizers else {},
            companions=companions,
            covers_random_state=config.random_state,
        )
        self.keeper = SnapshotKeeper(
            store, ages=config.ring_ages, probation_steps=config.probation_steps
        )
        self.escalation = Escalation(
            config.escalation,
            can_slow_down=bool(optimizers),
            can_hold_germination=bool(find_slots(model)),
        )

    def snapshot(
        self,
        step: int,
        detectors: DetectorStates,
        *,
        vouched_loss: float | None = None,
        is_doubtful: bool = False,
    ) -> SnapshotInfo:
        """Take a snapshot, keep it and tell of it; `vouched_loss` is that of a healthy check of these very weights.

        It `is_doubtful` when the last loss was anomalous.

        Raises:
            SnapshotError: it cannot be taken, which has been told of.
        """
        self.last_snapshot_step = step
        try:
            taken = self.keeper.take(
                step=step,
                detectors=detectors,
                vouched_loss=vouched_loss,
                is_doubtful=is_doubtful,
            )
        except SnapshotError as error:
            is_finite = not isinstance(error, NotFiniteError)
            fault = SnapshotFault.NOT_COPIED if is_finite else SnapshotFault.NOT_FINITE
            self._tell_of_fault(fault, self.keeper.next_id, step, str(error))
            raise
        emit_governor_snapshot(self.channel, taken.info)
        return taken.info

    def try_snapshot(self, step: int, detectors: DetectorStates) -> bool:
        """Take a snapshot that nobody has asked for; return False when something is not finite.

        One that cannot be copied has been told of; the next will be tried when it is due.
        """
        try:
            self.snapshot(step, detectors)
        except NotFiniteError:
            return False
        except SnapshotError:
            return True
        return True

    def roll_back(self, alarm: Verdict | None, step: int) -> tuple[GovernorReport, DetectorStates]:
        """Go back, and return the report and what the detectors remembered at that time.

        Raises:
            SnapshotError: there is nothing to go back to, or the host has been rebuilt; nothing has been changed.
        """
        started = time.perf_counter()
        reason = alarm.reason if alarm is not None and alarm.reason else PanicReason.ORDERED
        # What has crept in is in the newest snapshots as well.
        to_best = alarm is not None and (
            self.escalation.goes_to_best or reason is PanicReason.DRIFT
        )
        has_older = self.keeper.has_older
        way, corrupt = self._find_way(alarm, step, to_best=to_best)
        self.companions.check(way.snapshot.plain.companions)
        result = carry_out(
            way,
            reason=reason,
            optimizers=self.optimizers,
            clears_optimizers=not self._restores_optimizers,
        )
        self.keeper.settle(way.snapshot)
        snapshot_id = way.snapshot.info.snapshot_id
        measures = (
            self.escalation.carry_out_order()
            if alarm is None
            else self.escalation.respond(
                snapshot_id=snapshot_id, has_older=has_older, to_best=to_best
            )
        )
        # Last of all, since it calls what is not ours: if that fails, everything else has been done and counted.
        way.put_back_rest(self.companions)
        report = GovernorReport(
            reason=reason,
            loss_at_panic=None if alarm is None else alarm.loss,
            loss_threshold=None if alarm is None else alarm.loss_threshold,
            consecutive_panics=0 if alarm is None else alarm.consecutive_panics,
            attempt=measures.attempt,
            actions=measures.actions,
            snapshot_id=snapshot_id,
            from_step=step,
            to_step=way.snapshot.info.step,
            num_keys=way.snapshot.info.num_keys,
            pruned_slots=result.pruned_slots,
            kept_fossils=result.kept_fossils,
            removed_fossils=result.removed_fossils,
            corrupt_snapshots=tuple(corrupt),
            duration_s=time.perf_counter() - started,
        )
        emit_governor_rollback(self.channel, report)
        if measures.attempt > 1:
            emit_governor_escalated(self.channel, measures)
        return report, way.snapshot.detectors

    def stop(self, reason: PanicReason, step: int, message: str = "") -> StopReport:
        """End the run, and return the report of what was tried; `message` says why if the budget does not."""
        escalation = self.escalation
        actions = ", ".join(action.name.lower().replace("_", " ") for action in escalation.tried)
        report = StopReport(
            reason=reason,
            step=step,
            budget=escalation.budget,
            window=escalation.window,
            tried=escalation.tried,
            snapshot_ids=escalation.snapshot_ids,
            message=shorten(
                message
                or f"{reason.name} at step {step}, after {escalation.budget} rollbacks within"
                f" {escalation.window}; tried: {actions}",
                _MAX_MESSAGE,
            ),
        )
        emit_governor_stopped(self.channel, report)
        return report

    def drop_gradients(self) -> None:
        """Forget the gradients of a step that is not taken, so that they are not added to those of the next."""
        self._model.zero_grad(set_to_none=True)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def undo_passes(self) -> None:
        """Undo what the passes of refused steps have done to buffers, if no step has been taken since the last snapshot.

        A batch of NaN makes the running statistics of batch normalisation NaN, whether its step is taken or not.
        """
        way = self.keeper.find_way_to_start()
        if way is not None:
            way.put_back_tensors(self.optimizers)

    def tell_of_panic(self, verdict: Verdict, series: LossSeries) -> None:
        """Tell of an anomalous check."""
        assert verdict.reason is not None
        emit_governor_panic(self.channel, verdict, series=series, reason=verdict.reason)

    def tell_of_skip(self, verdict: Verdict, judge: StepJudge, step: int) -> None:
        """Tell of the step that `judge` has just refused."""
        assert judge.cause is not None
        emit_governor_step_skipped(
            self.channel,
            cause=judge.cause,
            step=step,
            loss=verdict.loss,
            grad_norm=judge.grad_norm,
            skips_in_a_row=judge.skips_in_a_row,
        )

    def advance(self, step: int) -> None:
        """Let a step, or a check, go by."""
        attempts = self.escalation.advance()
        if attempts:
            self.keeper.forget_aside()
            emit_governor_recovered(self.channel, step=step, attempts=attempts)

    def state_dict(self) -> dict[str, Any]:
        """Return all counters and snapshots in plain types and tensors."""
        return {
            "keeper": self.keeper.state_dict(),
            "escalation": self.escalation.state_dict(),
            "last_snapshot_step": self.last_snapshot_step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises:
            SnapshotError: the model cannot be saved.
        """
        self.keeper.load_state_dict(state["keeper"])
        self.escalation.load_state_dict(state["escalation"])
        self.last_snapshot_step = state["last_snapshot_step"]

    def _find_way(
        self, alarm: Verdict | None, step: int, *, to_best: bool
    ) -> tuple[Restoration, list[int]]:
        """Return a validated way back, and the corrupt snapshots that were given up for it, which have been told of."""
        corrupt: list[int] = []

        def tell(number: int) -> None:
            corrupt.append(number)
            message = f"the bytes of snapshot {number} are no longer what was saved"
            self._tell_of_fault(SnapshotFault.CORRUPT, number, step, message)

        way = self.keeper.find_way_back(
            goes_further=alarm is not None and self.escalation.is_repeated,
            to_best=to_best,
            is_last=self.escalation.is_exhausted,
            tell_corrupt=tell,
        )
        return way, corrupt

    def _tell_of_fault(
        self, fault: SnapshotFault, snapshot_id: int, step: int, message: str
    ) -> None:
        emit_governor_snapshot_failed(
            self.channel,
            fault=fault,
            snapshot_id=snapshot_id,
            step=step,
            message=shorten(message, _MAX_MESSAGE),
        )
