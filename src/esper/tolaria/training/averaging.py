"""An average of the weights of a network that grows, for EMA and SWA."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from esper.kasmina.graft import find_slots
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import SlotError


@final
class GrowingAverage(AveragedModel):
    """An `AveragedModel` whose slots follow those of the model: seeds appear, change their stage and are pruned with theirs.

    For example, `GrowingAverage(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))`. A seed joins the average with the weights that it has
    at its first `update_parameters`. `AveragedModel` itself pairs parameters by their position, so that once a seed
    is planted it fails or averages parameters that do not belong together.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        device: torch.device | str | None = None,
        avg_fn: Callable[..., Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        """Copy `model`; the arguments are those of `torch.optim.swa_utils.AveragedModel`."""
        where = None if device is None else torch.device(device)
        super().__init__(model, where, avg_fn, multi_avg_fn, use_buffers)

    def update_parameters(self, model: nn.Module) -> None:
        """Make the slots agree with those of `model`, then average the weights; call it after the optimizer's step.

        Raises:
            SlotError: `model` has other slots than the model that the average was made of.
        """
        own, theirs = find_slots(self.module), find_slots(model)
        if own.keys() != theirs.keys():
            raise SlotError(
                "an averaged model must have the slots of the average,"
                f" got {', '.join(theirs) or 'a model without slots'}; graft before building the average"
            )
        for path, slot in theirs.items():
            _match(own[path], slot)
        super().update_parameters(model)
        if self.use_buffers:
            # Amplitudes are buffers too, and must not be averaged.
            for path, slot in theirs.items():
                own[path].set_extra_state(slot.get_extra_state())


def _match(average: SeedSlot, slot: SeedSlot) -> None:
    """Bring the seed of `average` to the stage, amplitude and formula of that of `slot`; plant or remove it first if need be."""
    is_new = _planting(average) != _planting(slot) or average.epochs_total > slot.epochs_total
    if is_new or _progress(average) != _progress(slot):
        average.set_extra_state(slot.get_extra_state())
    if is_new:
        average.load_state_dict(slot.state_dict())


def _planting(slot: SeedSlot) -> tuple[Any, ...]:
    """Return the facts that differ between two seeds, and between a seed with and without a gate."""
    shapes = [(name, parameter.shape) for name, parameter in slot.named_parameters()]
    return slot.seed_id, slot.blueprint_id, shapes


def _progress(slot: SeedSlot) -> tuple[Any, ...]:
    return slot.stage, slot.alpha, slot.alpha_algorithm, slot.epochs_total
