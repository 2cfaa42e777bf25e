"""Takes whole training steps under a governor, with accumulation, loss scaling, clipping and schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from esper._generated.enums import Severity
from esper.leyline.arguments import describe, instance_of, real_number, whole_number
from esper.tolaria.detection.verdict import Verdict, final_verdict
from esper.tolaria.governor import TolariaGovernor


class Stepper:
    """Takes a whole training step, from the loss to the schedule, or nothing of it if the governor refuses the step.

    The loop computes the loss; `step` does the rest:

        stepper = Stepper(governor, optimizers=[optimizer], scaler=scaler, schedulers=[scheduler])
        for inputs, targets in loader:
            with torch.autocast(device):
                loss = loss_function(model(inputs), targets)
            if stepper.step(loss, batch=(inputs, targets)).must_stop:
                break

    A refused step leaves the weights as they are, or as the governor has restored them, drops the gradients of the whole
    window, advances no schedule, and lowers the scale of `scaler` only after an overflow.

    Attributes:
        has_stepped: whether the last call of `step` made the optimizers step; averages of weights are updated then.
    """

    def __init__(
        self,
        governor: TolariaGovernor,
        *,
        optimizers: Iterable[Optimizer],
        scaler: GradScaler | None = None,
        schedulers: Iterable[LRScheduler] = (),
        accumulate: int = 1,
        max_norm: float = math.inf,
        judge_every: int = 1,
    ) -> None:
        """Take steps with `optimizers`.

        Args:
            governor: judges the steps; `scaler` must be among its companions, and `schedulers` if a rollback shall take
                them back.
            optimizers: all take each step; the governor must hold them, too. LBFGS, which needs a closure, is not possible.
            scaler: scales the losses; None without mixed precision in float16.
            schedulers: advance by one with each step that is taken.
            accumulate: losses for each step; the gradients are those of their mean.
            max_norm: gradients are clipped to this total norm.
            judge_every: windows for each judgement. The host does not wait for the device in the windows between; if the
                loss or gradient of one is not finite, its update is masked on the device, see `docs/howto/training_loops.md`.
                The governor then judges the mean of the finite losses, and counts judgements as steps. While
                `governor.is_recovering`, every window is judged.

        Raises:
            ValueError: an argument is of another type or out of its range.
        """
        self._governor = instance_of("governor", governor, TolariaGovernor)
        self._optimizers = _checked_optimizers(optimizers)
        if scaler is not None:
            instance_of("scaler", scaler, GradScaler)
            if scaler not in governor.loss_scaling:
                raise ValueError(
                    "scaler must be a companion of the governor, got another one; write"
                    ' TolariaGovernor(..., companions={"scaler": scaler})'
                )
        self._scaler = scaler
        self._schedulers = _checked_schedulers(schedulers)
        self._accumulate = whole_number("accumulate", accumulate, minimum=1)
        self._judge_every = whole_number("judge_every", judge_every, minimum=1)
        self._unjudged: list[Tensor] = []
        self._max_norm = real_number("max_norm", max_norm, minimum=0.0)
        self._total: Tensor | None = None
        self._num_losses = 0
        self.has_stepped = False
        for optimizer in self._optimizers:
            if all(optimizer is not held for held in governor.optimizers):
                raise ValueError(
                    "optimizers must be among those of the governor, whose rollbacks clear or restore their state, got"
                    f" {type(optimizer).__name__}; write TolariaGovernor(..., optimizers=[...])"
                )

    def step(self, loss: Tensor, *, batch: Any = None) -> Verdict:
        """Add the gradients of `loss`, a tensor with one element, and take the step when the window is complete.

        Return the governor's verdict on the window. Where nothing was judged, because the window is incomplete or
        `judge_every` leaves it out, that is OK with a loss of NaN, or STOP once the run has been stopped. A window that
        is incomplete at the end of an epoch goes on in the next. `batch` is for the governor's probe; it may be that of
        the last loss.

        Raises:
            ProbeError, SnapshotError, ValueError: the same as in `TolariaGovernor.before_step`; `loss` is not a tensor.
        """
        instance_of("loss", loss, Tensor, "pass the tensor itself: its gradients are computed here")
        self.has_stepped = False
        share = loss / self._accumulate
        scaled = share if self._scaler is None else self._scaler.scale(share)
        scaled.backward()
        share = share.detach()
        self._total = share if self._total is None else self._total + share
        self._num_losses += 1
        if self._num_losses < self._accumulate:
            return self._unjudged_verdict()
        total, self._total, self._num_losses = self._total, None, 0
        return self._end_window(total, batch)

    def _end_window(self, loss: Tensor, batch: Any) -> Verdict:
        """Take the step of a window if the governor allows it, or unjudged; `loss` is the mean of its losses."""
        if self._scaler is not None:
            for optimizer in self._optimizers:
                self._scaler.unscale_(optimizer)
        parameters = [
            parameter
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        norm = get_total_norm(list(map(_dense_gradient, parameters)))
        self._unjudged.append(loss)
        # After a rollback every loss counts, and learning rates may be lower or batches skipped for a while.
        is_judged = len(self._unjudged) >= self._judge_every or self._governor.is_recovering
        if not is_judged:
            is_finite = loss.isfinite() & norm.isfinite()
            self._clip(parameters, norm)
            self._take_step(is_finite)
            verdict = self._unjudged_verdict()
        else:
            loss = _mean_of_finite(self._unjudged)
            self._unjudged = []
            if self._governor.before_step(loss, norm, batch=batch).may_step:
                self._clip(parameters, norm)
                self._take_step(None)
            verdict = self._governor.after_step()
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        return verdict

    def _unjudged_verdict(self) -> Verdict:
        """Return the verdict where nothing was judged, without waiting for the device."""
        stop = self._governor.stop_report
        if stop is not None:
            return final_verdict(stop.reason, math.nan)
        return Verdict(severity=Severity.OK, loss=math.nan)

    def _clip(self, parameters: list[Tensor], norm: Tensor) -> None:
        if self._max_norm != math.inf:
            clip_grads_with_norm_(parameters, self._max_norm, norm)

    def _take_step(self, is_finite: Tensor | None) -> None:
        """Let every optimizer step; where `is_finite`, a tensor of one boolean, is false, with masked gradients."""
        for optimizer in self._optimizers:
            if self._scaler is not None:
                # The scaler masks the step itself.
                self._scaler.step(optimizer)
            elif is_finite is None:
                optimizer.step()
            else:
                _step_masked(optimizer, is_finite)
        if self._scaler is not None:
            self._scaler.update()
        for scheduler in self._schedulers:
            scheduler.step()
        self.has_stepped = True


def _checked_optimizers(optimizers: Iterable[Optimizer]) -> tuple[Optimizer, ...]:
    """Return `optimizers` as a tuple.

    Raises:
        ValueError: they are not several, one is of another type or needs a closure, or there is none.
    """
    if not isinstance(optimizers, Iterable):
        raise ValueError(
            f"optimizers must be a list, got {describe(optimizers)}; write optimizers=[optimizer]"
        )
    all_optimizers = tuple(optimizers)
    if not all_optimizers:
        raise ValueError("optimizers must hold at least one, got an empty list: nothing would step")
    for optimizer in all_optimizers:
        instance_of("an optimizer", optimizer, Optimizer)
        if isinstance(optimizer, LBFGS):
            raise ValueError(
                "an optimizer of a stepper must step without a closure, got LBFGS; call before_step and"
                " after_step around optimizer.step(closure)"
            )
    return all_optimizers


def _checked_schedulers(schedulers: Iterable[LRScheduler]) -> tuple[LRScheduler, ...]:
    """Return `schedulers` as a tuple: a wrong one would fail only after the optimizers have stepped.

    Raises:
        ValueError: they are not several, or one cannot advance by one with each step.
    """
    if not isinstance(schedulers, Iterable):
        raise ValueError(
            f"schedulers must be a list, got {describe(schedulers)}; write schedulers=[scheduler]"
        )
    all_schedulers = tuple(schedulers)
    for scheduler in all_schedulers:
        instance_of("a scheduler", scheduler, LRScheduler)
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(
                "a scheduler of a stepper must advance without a metric, got ReduceLROnPlateau; leave it out, and"
                " call scheduler.step(validation_loss) after each validation"
            )
    return all_schedulers


def _step_masked(optimizer: Optimizer, is_finite: Tensor) -> None:
    """Let `optimizer` step if `is_finite`, without asking the device: otherwise not at all, or with gradients of zero."""
    if optimizer.defaults.get("fused"):
        # Fused kernels skip the update and its count themselves, as they do for a GradScaler.
        optimizer.found_inf = (~is_finite).float()  # type: ignore[attr-defined]  # read by the optimizer's step
        optimizer.step()
        del optimizer.found_inf  # type: ignore[attr-defined]  # as above
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                gradient = parameter.grad
                numbers = gradient._values() if gradient.is_sparse else gradient
                numbers.masked_fill_(~is_finite, 0.0)
    optimizer.step()


def _mean_of_finite(losses: list[Tensor]) -> Tensor:
    """Return the mean of the finite ones of `losses`, tensors with one element; NaN if none is."""
    together = torch.stack([loss.reshape(()) for loss in losses])
    return together.where(together.isfinite(), torch.nan).nanmean()


def _dense_gradient(parameter: Tensor) -> Tensor:
    """Return the gradient's numbers; of a sparse one those that are not zero."""
    gradient = parameter.grad
    assert gradient is not None
    return gradient.coalesce().values() if gradient.layout is torch.sparse_coo else gradient
