"""The cost of training: optimizer steps, parameter updates and FLOPs, counted while a trainer trains."""

from __future__ import annotations

import copy
import time
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.flop_counter import FlopCounterMode

from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.trainer import Trainer


class CostMeter:
    """Counts every step of every optimizer while it is entered, those of trials included.

    FLOPs are those of matrix products, convolutions and attention, forward and backward, as `torch.utils.flop_counter`
    counts them; a step's are measured once for each stage of the seeds. Validation is left out.

    Attributes:
        steps: optimizer steps.
        updates: parameters with a gradient, summed over the steps.
        flops: floating-point operations.
        seconds: CPU seconds of the process while the meter was entered.
    """

    def __init__(self, trainer: Trainer, task: Task, samples: Samples) -> None:
        """Measure the training of `trainer` on `samples`."""
        self.steps = 0
        self.updates = 0
        self.flops = 0.0
        self.seconds = 0.0
        self._started = 0.0
        self._trainer = trainer
        self._task = task
        self._batch = Samples(
            inputs=samples.inputs[: task.batch_size], targets=samples.targets[: task.batch_size]
        )
        # The last batch of an epoch may be smaller.
        num_batches = -(-len(samples) // task.batch_size)
        self._share = len(samples) / (num_batches * len(self._batch))
        self._flops: dict[tuple[object, ...], float] = {}

    def __enter__(self) -> CostMeter:
        """Begin to count."""
        self._started = time.process_time()
        self._handle = register_optimizer_step_post_hook(self._after_step)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop counting."""
        self._handle.remove()
        self.seconds += time.process_time() - self._started

    @property
    def step_flops(self) -> float:
        """FLOPs of a step with the seeds in their present stages, on a batch of average size."""
        key = tuple((slot.stage, slot.blueprint_id) for slot in self._trainer.slots.values())
        if key not in self._flops:
            started = time.process_time()
            self._flops[key] = self._share * step_flops(
                self._trainer.model, self._task, self._batch
            )
            self._started += time.process_time() - started
        return self._flops[key]

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.steps += 1
        self.updates += sum(
            parameter.numel()
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        )
        self.flops += self.step_flops


def step_flops(model: nn.Module, task: Task, batch: Samples) -> float:
    """Return the FLOPs of the forward and backward pass of `model` on `batch`; the model does not change."""
    network = copy.deepcopy(model).train()
    # The fused kernels of attention on CPUs have no formula.
    with (
        torch.random.fork_rng(devices=[]),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        task.objective.loss(network(batch.inputs), batch.targets).backward()
    return float(counter.get_total_flops())


def inference_flops(model: nn.Module, samples: Samples) -> float:
    """Return the FLOPs of the prediction for one sample."""
    network = copy.deepcopy(model).eval()
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        network(samples.inputs[:1])
    return float(counter.get_total_flops())
