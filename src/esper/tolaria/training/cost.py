"""The cost of training: optimizer steps, parameter updates and floating-point operations (FLOPs)."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypedDict, final

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from esper.kasmina.slot import SeedSlot
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict
from esper.tolaria.tasks.objective import Objective
from esper.tolaria.tasks.task import Samples


class ReportedCost(TypedDict):
    """The fields of events with the cost of a run so far."""

    num_updates: int | None
    num_flops: float | None


@final
class TrainingCost:
    """Counts the cost of a run's training steps, those of trials included; validation and evidence are left out.

    FLOPs are those of matrix products, convolutions and attention, forward and backward, as `torch.utils.flop_counter` counts
    them. Those of a step are measured on one batch, and again whenever a seed is planted, changes its stage or is removed.

    Attributes:
        num_steps: optimizer steps so far.
        num_updates: parameters that got a gradient, summed over the optimizer steps so far.
        num_flops: FLOPs so far.
        is_complete: whether the counts are those of the whole run; False after a checkpoint without counts was loaded.
    """

    def __init__(
        self,
        model: nn.Module,
        slots: Mapping[str, SeedSlot],
        objective: Objective,
        samples: Samples,
        batch_size: int,
    ) -> None:
        """Count the cost of training `model` with its `slots` on `samples` in batches of `batch_size`."""
        self.num_steps = 0
        self.num_updates = 0
        self.num_flops = 0
        self.is_complete = True
        self._model = model
        self._slots = slots
        self._objective = objective
        self._batch = next(iter(samples.batches(batch_size)))
        self._steps_per_epoch = math.ceil(len(samples) / batch_size)
        # The last batch of an epoch may be smaller.
        self._relative_size = len(samples) / (self._steps_per_epoch * len(self._batch))
        self._measured: dict[tuple[object, ...], int] = {}

    @property
    def step_flops(self) -> int:
        """FLOPs of a step with the seeds in their present stages, on a batch of average size."""
        key = tuple((slot.stage, slot.blueprint_id) for slot in self._slots.values())
        if key not in self._measured:
            flops = step_flops(self._model, self._objective, self._batch)
            self._measured[key] = round(self._relative_size * flops)
        return self._measured[key]

    @property
    def epoch_flops(self) -> int:
        """FLOPs of an epoch with the seeds in their present stages."""
        return self._steps_per_epoch * self.step_flops

    def count_steps(self, num_steps: int = 1) -> None:
        """Add the cost of `num_steps` steps that the optimizer has just taken; gradients must still be there."""
        num_learning = sum(one.numel() for one in self._model.parameters() if one.grad is not None)
        self.num_steps += num_steps
        self.num_updates += num_steps * num_learning
        self.num_flops += num_steps * self.step_flops

    @property
    def reported(self) -> ReportedCost:
        """The counts as events carry them; None if they are not those of the whole run."""
        if not self.is_complete:
            return {"num_updates": None, "num_flops": None}
        # A float, as an integer of an event ends at 2**63 - 1.
        return {"num_updates": self.num_updates, "num_flops": float(self.num_flops)}

    def state_dict(self) -> dict[str, int]:
        """Return the counts."""
        return {
            "num_steps": self.num_steps,
            "num_updates": self.num_updates,
            "num_flops": self.num_flops,
            "cost_is_complete": self.is_complete,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; counts that are missing, as in checkpoints of earlier versions, begin at 0."""
        self.num_steps = state.get("num_steps", 0)
        self.num_updates = state.get("num_updates", 0)
        self.num_flops = state.get("num_flops", 0)
        self.is_complete = state.get("cost_is_complete", "num_flops" in state)


def step_flops(model: nn.Module, objective: Objective, batch: Samples) -> int:
    """Return the FLOPs of the forward and backward pass of `model` on `batch`, in training mode.

    Weights, `.grad`, buffers, modes and random generators are left as they were.
    """
    with _unchanged(model), _counting() as counter:
        loss = objective.loss(model(batch.inputs), batch.targets)
        # Not `torch.autograd.grad`, with which the counter fails on parametrized weights.
        if loss.requires_grad:
            loss.backward()
    return int(counter.get_total_flops())


def inference_flops(model: nn.Module, samples: Samples) -> int:
    """Return the FLOPs of the prediction for one sample; the model is left as it was."""
    with _unchanged(model), torch.no_grad(), _counting() as counter:
        model.eval()
        model(samples.inputs[:1])
    return int(counter.get_total_flops())


@contextmanager
def _counting() -> Iterator[FlopCounterMode]:
    # The fused kernels of attention on CPUs have no formula.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Switch `model` to training mode; afterwards restore its modes, buffers, `.grad` and all random generators."""
    modes = [(module, module.training) for module in model.modules()]
    # Not a copy of the model: one whose weights are computed from others cannot be copied.
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    random = random_state_dict()
    model.train()
    model.zero_grad(set_to_none=True)
    try:
        yield
    finally:
        load_random_state_dict(random)
        with torch.no_grad():
            for buffer, values in buffers:
                buffer.copy_(values)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode
