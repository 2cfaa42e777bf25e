"""The gradients of a training step: clipped before the optimizer steps, and measured for the seeds."""

from collections.abc import Mapping
from typing import final

from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from esper.kasmina.gradients import capture_gradient_health
from esper.kasmina.slot import SeedSlot


def host_parameters(model: nn.Module, slots: Mapping[str, SeedSlot]) -> dict[str, nn.Parameter]:
    """Return the parameters of `model` that are not those of a seed, by name."""
    of_seeds = {id(one) for slot in slots.values() for one in slot.seed_parameters()}
    return {name: one for name, one in model.named_parameters() if id(one) not in of_seeds}


@final
class StepGradients:
    """Works on the gradients of one network, those of the host and of each seed separately."""

    def __init__(
        self, model: nn.Module, slots: Mapping[str, SeedSlot], max_grad_norm: float
    ) -> None:
        """Clip the gradients of `model` at a norm of `max_grad_norm`; what its `slots` do not hold is the host."""
        self._host_parameters = list(host_parameters(model, slots).values())
        self._slots = slots
        self._max_grad_norm = max_grad_norm

    def clip(self) -> Tensor:
        """Clip the gradients of host and seeds separately and return the host's norm before clipping, a 0-dim tensor.

        With one norm over both, a seed whose gradient is NaN would turn the host's gradient into NaN.
        """
        for slot in self._slots.values():
            if seed_parameters := list(slot.seed_parameters()):
                clip_grad_norm_(seed_parameters, self._max_grad_norm)
        return clip_grad_norm_(self._host_parameters, self._max_grad_norm)

    def record(self, epoch: int) -> None:
        """Record the gradient health of each seed that is still being judged."""
        for slot in self._slots.values():
            if slot.is_unsettled:
                health = capture_gradient_health(slot, self._host_parameters, epoch=epoch)
                slot.record_gradients(health)
