"""Rejuvenation: the host's weights are shrunk and mixed with fresh ones, if a paired trial shows that this helps.

Newborn seeds starve beside a host that has settled: its layers leave them no gradient to learn from. Shrinking and perturbing
the host (Ash and Adams, On Warm-Starting Neural Network Training, arXiv:1910.08475) lets all of them learn together again. Where
the host cannot learn again in the time that is left, it only loses what it knew; the trial tells the two cases apart.
"""

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
from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Rejuvenate
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import SnapshotError, UsageError
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict
from esper.tolaria.tasks.task import Samples, Task, build_another_host
from esper.tolaria.training.cost import TrainingCost
from esper.tolaria.training.gradients import host_parameters
from esper.tolaria.training.metrics import evaluate
from esper.tolaria.training.training_state import NetworkCopy, TrainingState
from esper.tolaria.training.trial import Trial, compare, has_broken, has_caught_up

_LOG = logging.getLogger("esper")

_NORM_BATCHES: Final = 20
"""Training batches from which the running statistics of norm layers are measured again."""


class TrialInterruptedError(Exception):
    """Raised by a trial that was asked to stop; the network, its optimizer and the random generators are as they were before it."""


@final
class Rejuvenator:
    """Carries out the `Rejuvenate` actions of one trainer.

    A trial trains a reference, the network as it is, for some epochs of the plan, ungoverned. Then it goes back, rejuvenates the
    network, and lets the trainer train the same epochs on the same batches as all others: governed, reported and saved. After
    the last of them `end_epoch` compares the two, and goes on with the reference if the rejuvenated network is not shown to be as good.

    Attributes:
        restarted_after: epoch after which the schedule of the learning rate has started last; 0 is the start of the run.
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
        learning_rate: Callable[[int], float],
        should_stop: Callable[[], bool],
        cost: TrainingCost,
        seed: int,
        epochs: int,
    ) -> None:
        """Work on `model` and its `optimizer`; `samples` are those for training and for decisions; `seed` and `epochs` are the run's.

        `learning_rate` returns the host's rate in an epoch; a reference stops once `should_stop` returns True.
        """
        self.restarted_after = 0
        self._trial: Trial | None = None
        self._task = task
        self._model = model
        self._slots = slots
        self._optimizer = optimizer
        self._train_samples, self._val_samples = samples
        self._governor = governor
        self._channel = channel
        self._clip_gradients = clip_gradients
        self._learning_rate = learning_rate
        self._should_stop = should_stop
        self._cost = cost
        self._seed = seed
        self._epochs = epochs

    @property
    def is_trying(self) -> bool:
        """Whether the present epoch belongs to a trial; then no seed is judged, and the policy is not asked."""
        return self._trial is not None

    def state_dict(self) -> dict[str, Any]:
        """Return the start of the schedule, and the trial that is running, if there is one."""
        trial = None if self._trial is None else self._trial.state_dict()
        return {"restarted_after": self.restarted_after, "trial": trial}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; entries are missing in checkpoints of earlier versions."""
        self.restarted_after = state.get("restarted_after", 0)
        trial = state.get("trial")
        self._trial = None if trial is None else Trial.from_state_dict(trial)

    def act(self, action: Rejuvenate, epoch: int) -> None:
        """Rejuvenate the network after `epoch`, at once or on trial.

        After the last epoch, when no steps are left in which the network could learn again, it only logs a warning.
        The governor is told of the shift and takes a snapshot, so that it does not roll back to the network as it was. Random
        generators are left as they were.

        Raises:
            TrialInterruptedError: the run was asked to stop.
            UsageError: the task builds a host with other parameters than those that are trained, or the same host again.
        """
        started = time.monotonic()
        epochs_left = self._epochs - epoch
        if epochs_left <= 0:
            _LOG.warning(
                "epoch %d: the policy asks to rejuvenate after the last epoch; it is left out",
                epoch,
            )
            return
        # Not after the reference has been trained.
        self._check_host()
        if action.trial_share > 0.0:
            num_epochs = max(1, round(action.trial_share * epochs_left))
            self._trial = self._begin_trial(action, epoch, num_epochs, started)
        self._renew(action, epoch)
        self.restarted_after = epoch
        self._accept_shift(self._decision_losses().mean().item())
        if self._trial is None:
            self._emit(action, epoch, None, duration_s=time.monotonic() - started)

    def end_epoch(self, epoch: int, losses: Tensor) -> None:
        """End the trial if `epoch` is its last one; `losses` are those of the rejuvenated network on the decision split, (N,)."""
        trial = self._trial
        if trial is None or epoch < trial.after_epoch + trial.num_epochs:
            return
        self._trial = None
        evidence = compare(
            trial.losses,
            losses,
            trial.num_epochs * self._steps_per_epoch,
            self._cost.num_updates - trial.num_updates_before,
        )
        if not has_caught_up(evidence):
            trial.reference.restore(self._model, self._optimizer)
            # The losses of the other copy say nothing about this one.
            self._governor.load_detection_state(trial.detection)
            self.restarted_after = trial.restarted_before
            self._accept_shift(evidence.loss_without)
        self._emit(trial.action, trial.after_epoch, evidence, duration_s=trial.duration_s)

    def _accept_shift(self, loss: float) -> None:
        """Tell the governor that the network has changed, so that it does not roll back to the network as it was.

        `loss` is that on the decision split as it is now.
        """
        self._governor.expect_shift()
        # The governor reports a snapshot that cannot be taken, and keeps the earlier ones.
        with suppress(SnapshotError):
            self._governor.snapshot(validated_loss=loss)

    def _emit(
        self,
        action: Rejuvenate,
        after_epoch: int,
        evidence: RejuvenationEvidence | None,
        *,
        duration_s: float,
    ) -> None:
        emit_host_rejuvenated(
            self._channel,
            after_epoch=after_epoch,
            shrink=action.shrink,
            perturb=action.perturb,
            includes_seeds=action.includes_seeds,
            trial_share=action.trial_share,
            is_kept=evidence is None or has_caught_up(evidence),
            evidence=evidence,
            duration_s=duration_s,
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

    def _check_host(self) -> None:
        """Raise a UsageError if the task builds another host each time; random generators are left as they were."""
        with _own_random_numbers(0):
            self._fresh_host_weights()

    def _fresh_host_weights(self) -> dict[nn.Parameter, Tensor]:
        """Return the weights of a newly built host, by the parameter of the network that has their name.

        Raises:
            UsageError: they are not those of the network's host, or they are that host's own.
        """
        other = build_another_host(self._task, self._model)
        fresh = {name: one.detach() for name, one in other.named_parameters()}
        host = host_parameters(self._model, self._slots)
        for name, parameter in host.items():
            if name not in fresh or fresh[name].shape != parameter.shape:
                raise UsageError(
                    f"build_host of task {self._task.name!r} must build the same parameters each time to rejuvenate the"
                    f" host, got another network without {name!r} of shape {tuple(parameter.shape)}; plan no Rejuvenate"
                )
        return {parameter: fresh[name] for name, parameter in host.items()}

    @property
    def _steps_per_epoch(self) -> int:
        return math.ceil(len(self._train_samples) / self._task.batch_size)

    def _begin_trial(
        self, action: Rejuvenate, epoch: int, num_epochs: int, started: float
    ) -> Trial:
        """Train the reference for `num_epochs` epochs, and put everything back.

        No governor watches over the reference. If its training breaks, the network as it was before is the reference.

        Raises:
            TrialInterruptedError: the run was asked to stop.
        """
        num_updates_before = self._cost.num_updates
        # Around the state that is restored, which would otherwise hold the amplitudes of before.
        with self._at_full_amplitude():
            start = TrainingState(self._model, self._optimizer)
            before = self._decision_losses()
            start.restore()
            try:
                losses = self._train_reference(range(epoch + 1, epoch + 1 + num_epochs))
                reference = NetworkCopy.of(self._model, self._optimizer)
            finally:
                start.restore()
            num_updates = self._cost.num_updates - num_updates_before
            num_steps = num_epochs * self._steps_per_epoch
            if has_broken(compare(before, losses, num_steps, num_updates)):
                losses, reference = before, NetworkCopy.of(self._model, self._optimizer)
        return Trial(
            action=action,
            after_epoch=epoch,
            num_epochs=num_epochs,
            restarted_before=self.restarted_after,
            losses=losses,
            reference=reference,
            detection=self._governor.detection_state(),
            num_updates_before=num_updates_before,
            duration_s=time.monotonic() - started,
        )

    @contextmanager
    def _at_full_amplitude(self) -> Iterator[None]:
        """Run the seeds in BLENDING at full amplitude, which most of them are about to reach."""
        with ExitStack() as stack:
            for slot in self._slots.values():
                if slot.stage is SeedStage.BLENDING:
                    stack.enter_context(slot.force_alpha(1.0))
            yield

    def _train_reference(self, epochs: range) -> Tensor:
        """Train `epochs` as they would have been without rejuvenation; return the losses on the decision split, (N,)."""
        self._model.train()
        for epoch in epochs:
            self._optimizer.param_groups[0]["lr"] = self._learning_rate(epoch)
            for batch in self._train_samples.shuffled_batches(
                self._task.batch_size, seed=self._seed, epoch=epoch
            ):
                if self._should_stop():
                    raise TrialInterruptedError
                self._optimizer.zero_grad()
                self._task.objective.loss(self._model(batch.inputs), batch.targets).backward()
                self._clip_gradients()
                self._optimizer.step()
        self._cost.count_steps(len(epochs) * self._steps_per_epoch)
        return self._decision_losses()

    def _decision_losses(self) -> Tensor:
        """Return the losses of the network on the decision split, (N,)."""
        return evaluate(self._model, self._val_samples, self._task.objective).losses.clone()

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


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[None]:
    """Draw random numbers that follow from `seed`, and leave all generators as they were."""
    before = random_state_dict()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        load_random_state_dict(before)
