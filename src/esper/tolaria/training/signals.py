"""Measures the signals from which a growth policy decides."""

from collections.abc import Mapping
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor, nn

from esper.kasmina.blueprints.registry import blueprint_ids, build_seed
from esper.kasmina.place_signal import place_signals
from esper.kasmina.slot import SeedSlot
from esper.kasmina.topology import Topology
from esper.leyline.errors import SlotError
from esper.leyline.signals import SlotSignals, TrainingSignals
from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.cost import TrainingCost
from esper.tolaria.training.metrics import Evaluation, TrainingMeans


@final
class SignalReader:
    """Reads the signals of one training run at the end of each healthy epoch."""

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        slots: Mapping[str, SeedSlot],
        samples: Samples,
        *,
        seed: int,
        epochs: int,
    ) -> None:
        """Read `model` and its `slots`; places are measured on training `samples`; `seed` and `epochs` are the run's."""
        self._task = task
        self._model = model
        self._slots = slots
        self._samples = samples
        self._seed = seed
        self._epochs = epochs

    def read(
        self,
        epoch: int,
        training: TrainingMeans,
        validation: Evaluation,
        *,
        may_germinate: bool,
        restarted_after: int,
        num_host_params: int,
        cost: TrainingCost,
        duration_s: float,
    ) -> TrainingSignals:
        """Return the signals after `epoch`; the arguments are the fields of `TrainingSignals`, and the `cost` of the run so far.

        The signals of places take one forward and backward pass, on the first batch of the epoch, while a slot is empty.
        """
        batches = self._samples.shuffled_batches(
            self._task.batch_size, seed=self._seed, epoch=epoch
        )
        places = place_signals(self._model, self._slots, islice(batches, 1), self._loss)
        return TrainingSignals(
            epoch=epoch,
            epochs=self._epochs,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            may_germinate=may_germinate,
            slots=tuple(
                slot_signals(slot, places.get(name), blueprint_sizes(slot))
                for name, slot in self._slots.items()
            ),
            train_loss=training.loss,
            random_guess_loss=self._task.random_guess_loss,
            restarted_after=restarted_after,
            num_params=sum(parameter.numel() for parameter in self._model.parameters()),
            num_host_params=num_host_params,
            num_updates=cost.num_updates,
            num_flops=cost.num_flops,
            epoch_flops=cost.epoch_flops,
            duration_s=duration_s,
        )

    def _loss(self, batch: Samples) -> Tensor:
        return self._task.objective.loss(self._model(batch.inputs), batch.targets)


def slot_signals(
    slot: SeedSlot,
    place_signal: float | None = None,
    blueprint_sizes: Mapping[str, int] = MappingProxyType({}),
) -> SlotSignals:
    """Return the facts about `slot` on which a policy decides."""
    return SlotSignals(
        slot_id=slot.slot_id,
        topology=slot.topology,
        stage=slot.stage,
        blueprint_id=None if slot.is_empty else slot.blueprint_id,
        alpha=slot.alpha,
        is_ready_to_hold=slot.is_ready_to_hold,
        epochs_in_stage=slot.epochs_in_stage,
        total_improvement=slot.total_improvement,
        stage_improvement=slot.stage_improvement,
        contribution=slot.contribution,
        evidence=slot.evidence,
        num_params=sum(parameter.numel() for parameter in slot.seed_parameters()),
        place_signal=place_signal,
        blueprint_sizes=blueprint_sizes,
    )


def blueprint_sizes(slot: SeedSlot) -> Mapping[str, int]:
    """Return the parameters that a seed of each blueprint would have in `slot`; those that cannot be built are left out."""
    sizes = {
        name: size
        for name in blueprint_ids(slot.topology)
        if (size := _size(slot.topology, name, slot.channels)) is not None
    }
    return MappingProxyType(sizes)


@cache
def _size(topology: Topology, blueprint_id: str, channels: int) -> int | None:
    """Return the parameters of a seed, which is built and thrown away; None if it cannot be built."""
    with torch.random.fork_rng(devices=[]):
        try:
            seed = build_seed(topology, blueprint_id, channels)
        except SlotError:
            return None
    return sum(parameter.numel() for parameter in seed.parameters())
