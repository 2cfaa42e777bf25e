"""Rejuvenation: the host's weights are shrunk and mixed with fresh ones, if a paired trial shows that this helps.

Newborn seeds starve beside a host that has settled: its layers leave them no gradient to learn from. Shrinking and perturbing
the host (Ash and Adams, On Warm-Starting Neural Network Training, arXiv:1910.08475) lets all of them learn together again. Where
the host cannot learn again in the time that is left, it only loses what it knew; the trial tells the two cases apart.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, islice
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import update_bn

from esper._generated.enums import SeedStage
from esper._generated.records import RejuvenationEvidence
from esper._generated.run import emit_host_rejuvenated
from esper.kasmina.blueprints.registry import build_seed
from esper.kasmina.evidence import countable_losses
from esper.kasmina.interval import mean_interval
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Rejuvenate
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import SnapshotError, UsageError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict
from esper.tolaria.tasks.task import Samples, Task, build_host
from esper.tolaria.training.cost import TrainingCost
from esper.tolaria.training.gradients import host_parameters
from esper.tolaria.training.metrics import evaluate

_LOG = logging.getLogger("esper")

CONFIDENCE: Final = 0.95
"""Confidence of the interval of a trial; one trial is one look."""

TOLERANCE: Final = 0.25
"""Share of the loss by which the rejuvenated copy may still be worse at the end of its trial.

Measured after a tenth of the epochs that are left, on the decision split of ten networks from seed 100: on `mnist1d`, where rejuvenation
helps, the upper bound is worse by 0 to 17 % of the loss; on `pydoc`, where it spoils the network, by 35 %.
"""

_NORM_BATCHES: Final = 20
"""Training batches from which the running statistics of norm layers are measured again."""


@final
class Rejuvenator:
    """Carries out the `Rejuvenate` actions of one trainer.

    Attributes:
        restarted_after: epoch after which the schedule of the learning rate has started last; 0 is the start of the run.
        epochs_taken: epochs of the plan that the last trial has trained; they are not trained again.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        slots: Mapping[str, SeedSlot],
        optimizer: Optimizer,
        samples: tuple[Samples, Samples],
        *,
        governor: TolariaGovernor,
        channel: TelemetryChannel,
        clip_gradients: Callable[[], object],
        cost: TrainingCost,
        seed: int,
        epochs: int,
    ) -> None:
        """Work on `model` and its `optimizer`; `samples` are those for training and for decisions; `seed` and `epochs` are the run's."""
        self.restarted_after = 0
        self.epochs_taken = 0
        self._task = task
        self._model = model
        self._slots = slots
        self._optimizer = optimizer
        self._train_samples, self._val_samples = samples
        self._governor = governor
        self._channel = channel
        self._clip_gradients = clip_gradients
        self._cost = cost
        self._seed = seed
        self._epochs = epochs

    def act(self, action: Rejuvenate, epoch: int) -> None:
        """Rejuvenate the network after `epoch`, if its trial says so, and emit HOST_REJUVENATED.

        After the last epoch, when no steps are left in which the network could learn again, it only logs a warning.
        The governor is told of the shift and takes a snapshot, so that it does not roll back to the network as it was. Random
        generators are left as they were.

        Raises:
            UsageError: the task builds a host with other parameters than those that are trained.
        """
        started = time.monotonic()
        evidence = None
        epochs_left = self._epochs - epoch
        if epochs_left <= 0:
            _LOG.warning(
                "epoch %d: the policy asks to rejuvenate after the last epoch; it is left out",
                epoch,
            )
            return
        if action.trial_share > 0.0:
            self.epochs_taken = max(1, round(action.trial_share * epochs_left))
            evidence = self._try(action, epoch, self.epochs_taken)
        else:
            self._renew(action, epoch)
        is_kept = evidence is None or has_caught_up(evidence)
        if is_kept:
            self.restarted_after = epoch
        self._governor.expect_shift()
        # The governor reports a snapshot that cannot be taken, and keeps the earlier ones.
        with suppress(SnapshotError):
            self._governor.snapshot()
        emit_host_rejuvenated(
            self._channel,
            shrink=action.shrink,
            perturb=action.perturb,
            includes_seeds=action.includes_seeds,
            trial_share=action.trial_share,
            is_kept=is_kept,
            evidence=evidence,
            duration_s=time.monotonic() - started,
        )

    def _renew(self, action: Rejuvenate, epoch: int) -> None:
        """Change the weights, clear their momentum, and measure the running statistics of all norm layers again."""
        with _own_random_numbers(self._stream(epoch)):
            fresh = self._fresh_host_weights()
            if action.includes_seeds:
                for slot in self._slots.values():
                    fresh |= _fresh_seed_weights(slot)
            with torch.no_grad():
                for parameter, weights in fresh.items():
                    if not parameter.requires_grad:
                        # A frozen weight could not learn again.
                        continue
                    mix = weights.to(parameter)
                    parameter.mul_(action.shrink).add_(mix, alpha=action.perturb)
                    self._optimizer.state.pop(parameter, None)
            # Features change in the norm layers of seeds too.
            batches = islice(self._endless_batches(epoch), _NORM_BATCHES)
            update_bn((batch.inputs for batch in batches), self._model)

    def _fresh_host_weights(self) -> dict[nn.Parameter, Tensor]:
        """Return the weights of a newly built host, by the parameter of the network that has their name.

        Raises:
            UsageError: they are not those of the network's host.
        """
        fresh = {name: one.detach() for name, one in build_host(self._task).named_parameters()}
        host = host_parameters(self._model, self._slots)
        for name, parameter in host.items():
            if name not in fresh or fresh[name].shape != parameter.shape:
                raise UsageError(
                    f"build_host of task {self._task.name!r} must build the same parameters each time to rejuvenate the"
                    f" host, got another network without {name!r} of shape {tuple(parameter.shape)}; plan no Rejuvenate"
                )
        return {parameter: fresh[name] for name, parameter in host.items()}

    def take_epochs(self) -> int:
        """Return how many epochs of the plan the last trial has trained, once; then 0."""
        taken, self.epochs_taken = self.epochs_taken, 0
        return taken

    def _try(self, action: Rejuvenate, epoch: int, num_epochs: int) -> RejuvenationEvidence:
        """Train two copies of the network on the same batches, with rejuvenation and without; go on with the better one."""
        num_steps = num_epochs * math.ceil(len(self._train_samples) / self._task.batch_size)
        updates_before = self._cost.num_updates
        host_group = self._optimizer.param_groups[0]
        rate = host_group["lr"]
        # Outside of the state that is restored, which would otherwise hold the amplitudes of before.
        with self._at_full_amplitude():
            start = TrainingState(self._model, self._optimizer)
            losses_without = self._train_copy(epoch, num_steps)
            copy_without = TrainingState(self._model, self._optimizer)
            start.restore()
            self._renew(action, epoch)
            # As in the epochs that follow; the seeds' rates follow that of the host.
            host_group["lr"] = self._task.host_learning_rate
            losses_with = self._train_copy(epoch, num_steps)
            host_group["lr"] = rate
            evidence = _compare(
                losses_without, losses_with, num_steps, self._cost.num_updates - updates_before
            )
            if not has_caught_up(evidence):
                copy_without.restore()
        start.restore_random_state()
        self._optimizer.zero_grad()
        return evidence

    @contextmanager
    def _at_full_amplitude(self) -> Iterator[None]:
        """Run the seeds in BLENDING at full amplitude, which most of them are about to reach."""
        with ExitStack() as stack:
            for slot in self._slots.values():
                if slot.stage is SeedStage.BLENDING:
                    stack.enter_context(slot.force_alpha(1.0))
            yield

    def _train_copy(self, epoch: int, num_steps: int) -> Tensor:
        """Take `num_steps` steps and return the losses on the decision split, (N,)."""
        self._model.train()
        for batch in islice(self._endless_batches(epoch), num_steps):
            self._optimizer.zero_grad()
            self._task.objective.loss(self._model(batch.inputs), batch.targets).backward()
            self._clip_gradients()
            self._optimizer.step()
        self._cost.count_steps(num_steps)
        return evaluate(self._model, self._val_samples, self._task.objective).losses

    def _endless_batches(self, epoch: int) -> Iterator[Samples]:
        """Yield training batches in an order of their own for a rejuvenation after `epoch`, again and again."""
        for repetition in count():
            yield from self._train_samples.shuffled_batches(
                self._task.batch_size, seed=self._stream(epoch), epoch=repetition
            )

    def _stream(self, epoch: int) -> int:
        """Return the seed of the random numbers of a rejuvenation after `epoch`, which is the same in its trial."""
        return (self._seed + 1) * 1_000_003 + epoch


def _fresh_seed_weights(slot: SeedSlot) -> dict[nn.Parameter, Tensor]:
    """Return the weights of a newly built seed of the slot's blueprint, by the parameter that they belong to."""
    if slot.seed is None:
        return {}
    fresh = dict(build_seed(slot.topology, slot.blueprint_id, slot.channels).named_parameters())
    return {
        parameter: fresh[name].detach()
        for name, parameter in slot.seed.named_parameters()
        if name in fresh and fresh[name].shape == parameter.shape
    }


def has_caught_up(evidence: RejuvenationEvidence) -> bool:
    """Return whether the rejuvenated copy is, as far as the trial can tell, no worse than the other by the tolerance.

    The trial is short in comparison with the epochs that are left, in which the rejuvenated copy can gain what the other one has
    no room for; one that has not caught up by then had too much to lose.
    """
    return evidence.high >= -evidence.tolerance


def _compare(
    losses_without: Tensor, losses_with: Tensor, num_steps: int, num_updates: int
) -> RejuvenationEvidence:
    """Return the evidence of the losses, (N,) each, of two copies that have taken `num_steps` steps."""
    losses_without, losses_with = countable_losses(losses_without), countable_losses(losses_with)
    differences = losses_without - losses_with
    low, high = mean_interval(differences, 1.0 - CONFIDENCE)
    loss_without = losses_without.mean().item()
    return RejuvenationEvidence(
        loss_without=loss_without,
        loss_with=losses_with.mean().item(),
        difference=differences.mean().item(),
        low=low,
        high=high,
        tolerance=TOLERANCE * max(loss_without, 0.0),
        num_samples=len(differences),
        num_steps=num_steps,
        num_updates=num_updates,
    )


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
    """Draw random numbers that follow from `seed`, and leave all generators as they were."""
    before = random_state_dict()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        load_random_state_dict(before)


@final
class TrainingState:
    """A copy of everything that training steps change: weights, buffers, optimizer state, modes, random generators."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        tensors = (*model.parameters(), *model.buffers())
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in tensors]
        self._modes = [(module, module.training) for module in model.modules()]
        self._optimizer = optimizer
        self._optimizer_state = _copied(optimizer.state)
        self._random = random_state_dict()

    def restore(self) -> None:
        """Put everything back, bit for bit, as often as wanted; parameters and buffers stay the same objects."""
        with torch.no_grad():
            for tensor, values in self._tensors:
                tensor.copy_(values)
        for module, mode in self._modes:
            module.training = mode
        self._optimizer.state.clear()
        self._optimizer.state.update(_copied(self._optimizer_state))
        self.restore_random_state()

    def restore_random_state(self) -> None:
        """Put the random generators back alone."""
        load_random_state_dict(self._random)


def _copied(state: Mapping[Any, Mapping[str, Any]]) -> dict[Any, dict[str, Any]]:
    """Return a copy of an optimizer's state; the parameters, which are its keys, stay the same objects."""
    return {parameter: copy.deepcopy(dict(values)) for parameter, values in state.items()}
