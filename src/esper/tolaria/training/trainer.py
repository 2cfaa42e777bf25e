"""The training loop: train, validate, judge, score the seeds, grow."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from esper._generated.enums import RunOutcome, Severity
from esper._generated.run import emit_epoch_completed
from esper.kasmina.gradients import capture_gradient_health
from esper.kasmina.graft import find_slots
from esper.leyline.actions import Germinate
from esper.leyline.channel import TelemetryChannel
from esper.leyline.errors import SnapshotError
from esper.leyline.policy import GrowthPolicy
from esper.leyline.signals import TrainingSignals
from esper.tolaria.detection.robust import EPOCH_LIMITS, RobustConfig
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict
from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.config import TrainConfig
from esper.tolaria.training.faults import damaged
from esper.tolaria.training.growing_optimizer import GrowingOptimizer, cosine_factor
from esper.tolaria.training.growth import apply_actions, fossils, slot_signals, slot_status
from esper.tolaria.training.means import RunningMeans, TrainingMeans
from esper.tolaria.training.metrics import Evaluation, contribution, evaluate
from esper.tolaria.training.reports import EpochReport
from esper.tolaria.training.rules import build_detector


class Trainer:
    """One network in training.

    Without a policy the host trains alone: its slots stay empty and cost nothing.

    Attributes:
        model: the network, seeds included.
        slots: its slots, by id.
        num_host_params: parameters of the host alone.
        epochs_completed: epochs behind it.
    """

    def __init__(
        self,
        task: Task,
        config: TrainConfig,
        samples: tuple[Samples, Samples],
        *,
        policy: GrowthPolicy | None,
        channel: TelemetryChannel,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Build host, optimizer and governor for training and validation `samples`.

        Everything random follows from `config.seed`. `should_stop` is asked before every step.
        """
        device = torch.device(config.device)
        torch.manual_seed(config.seed)
        torch.set_num_threads(task.num_threads)
        self._task = task
        self._config = config
        self._train_samples, self._val_samples = (part.to(device) for part in samples)
        self._policy = policy
        self._channel = channel
        self._should_stop = should_stop
        self.model = task.build_host().to(device)
        self.slots = {slot.slot_id: slot for slot in find_slots(self.model).values()}
        for slot in self.slots.values():
            slot.channel = channel
        self._host_parameters = list(self.model.parameters())
        self.num_host_params = self.num_params
        self._optimizer = GrowingOptimizer(
            self._host_parameters,
            self.slots,
            host_learning_rate=task.host_learning_rate,
            seed_learning_rate=task.seed_learning_rate,
            momentum=task.momentum,
            weight_decay=task.weight_decay,
        )
        self._governor = TolariaGovernor(
            self.model,
            optimizers=[self._optimizer.torch],
            detector=build_detector(task, config.detector, EPOCH_LIMITS),
            step_detector=build_detector(task, config.detector, RobustConfig()),
            channel=channel,
        )
        self.epochs_completed = 0

    @property
    def num_params(self) -> int:
        """Parameters of the network with its seeds."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def validate(self) -> Evaluation:
        """Score the network on the validation samples."""
        return evaluate(self.model, self._val_samples)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on, in tensors and plain values."""
        return {
            "epochs_completed": self.epochs_completed,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "governor": self._governor.state_dict(),
            "policy": None if self._policy is None else dict(self._policy.state_dict()),
            "random": random_state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was called, as if nothing had come between."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._governor.load_state_dict(state["governor"])
        if self._policy is not None:
            self._policy.load_state_dict(state["policy"])
        self.epochs_completed = state["epochs_completed"]
        load_random_state_dict(state["random"])

    def fit(self, after_epoch: Callable[[], None] = lambda: None) -> RunOutcome:
        """Train the remaining epochs; return whether they were completed, interrupted, or ended by the governor.

        `after_epoch` is called between epochs, when `state_dict` is whole.
        """
        for epoch in range(self.epochs_completed + 1, self._config.epochs + 1):
            started = time.monotonic()
            self._channel.advance(epoch=epoch)
            self._optimizer.set_learning_rate_factor(self._learning_rate_factor(epoch))

            training = self._train_epoch(epoch)
            if training is None:
                return RunOutcome.INTERRUPTED
            validation = self.validate()
            severity = training.severity
            if severity is not Severity.STOP:
                severity = max(severity, self._judge(validation))
            is_healthy = severity is Severity.OK
            if is_healthy:
                self._score_seeds(validation.accuracy)
            self._tell(training, validation, severity, time.monotonic() - started)
            if severity is Severity.STOP:
                return RunOutcome.STOPPED
            if is_healthy:
                self._grow(epoch, validation)
            for slot in self.slots.values():
                slot.step_epoch()
            self._optimizer.follow_seeds()
            self.epochs_completed = epoch
            after_epoch()
        return RunOutcome.COMPLETED

    def _learning_rate_factor(self, epoch: int) -> float:
        factor = cosine_factor(epoch, self._config.epochs)
        for fault in self._config.faults:
            factor *= fault.learning_rate_factor(epoch)
        return factor

    def _train_epoch(self, epoch: int) -> TrainingMeans | None:
        """Take a step on every batch, governed; return None when asked to stop."""
        self.model.train()
        means = RunningMeans(self._train_samples.targets.device)
        severity = Severity.OK
        batches = self._train_samples.shuffled_batches(
            self._task.batch_size, seed=self._config.seed, epoch=epoch
        )
        for step, batch in enumerate(batches):
            if self._should_stop():
                return None
            logits = self.model(batch.inputs)
            loss = cross_entropy(logits, batch.targets)
            if any(fault.damages_loss(epoch, step) for fault in self._config.faults):
                loss = damaged(loss)
            self._optimizer.torch.zero_grad()
            loss.backward()
            if step == 0:
                self._record_gradients(epoch)
            grad_norm = self._clip_gradients()

            verdict = self._governor.before_step(loss, grad_norm)
            if verdict.may_step:
                self._optimizer.torch.step()
            verdict = self._governor.after_step()
            severity = max(severity, verdict.severity)
            if verdict:
                # Seeds were pruned in the rollback.
                self._optimizer.follow_seeds()
            means.add(loss, logits, batch.targets, grad_norm)
            if verdict.severity is Severity.STOP:
                break
        return means.result(severity)

    def _clip_gradients(self) -> Tensor:
        """Clip host and seeds apart and return the host's norm before clipping, a 0-dim tensor.

        Apart, because one norm over both would let a seed whose gradient is NaN turn the host's into NaN.
        """
        for slot in self.slots.values():
            if seed_parameters := list(slot.seed_parameters()):
                clip_grad_norm_(seed_parameters, self._task.max_grad_norm)
        return clip_grad_norm_(self._host_parameters, self._task.max_grad_norm)

    def _record_gradients(self, epoch: int) -> None:
        for slot in self.slots.values():
            if slot.is_live:
                health = capture_gradient_health(slot, self._host_parameters, epoch=epoch)
                slot.record_gradients(health)

    def _judge(self, validation: Evaluation) -> Severity:
        """Let the governor judge the epoch: roll back, or remember a healthy network."""
        verdict = self._governor.check_vital_signs(validation.loss)
        if verdict:
            self._governor.execute_rollback()
        elif verdict.severity is Severity.OK:
            # One that cannot be taken has been told of, and the earlier ones are kept.
            with suppress(SnapshotError):
                self._governor.snapshot()
        return verdict.severity

    def _score_seeds(self, accuracy: float) -> None:
        for slot in self.slots.values():
            slot.record_accuracy(accuracy)
            if slot.is_live and slot.alpha > 0.0:
                slot.record_contribution(
                    contribution(self.model, slot, self._val_samples, accuracy)
                )

    def _grow(self, epoch: int, validation: Evaluation) -> None:
        """Ask the policy and do what it says; what has become a fossil is remembered at once."""
        if self._policy is None:
            return
        signals = TrainingSignals(
            epoch=epoch,
            epochs=self._config.epochs,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            may_germinate=self._governor.may_germinate,
            slots=tuple(slot_signals(slot) for slot in self.slots.values()),
        )
        fossils_before = fossils(self.slots)
        actions = self._policy.decide(signals)
        apply_actions(actions, self.slots)
        if any(isinstance(action, Germinate) for action in actions):
            self._governor.expect_shift()
        if fossils(self.slots) != fossils_before:
            with suppress(SnapshotError):
                self._governor.snapshot()

    def _tell(
        self, training: TrainingMeans, validation: Evaluation, severity: Severity, duration_s: float
    ) -> None:
        report = EpochReport(
            train_loss=training.loss,
            train_accuracy=training.accuracy,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            host_grad_norm=training.grad_norm,
            learning_rate=self._optimizer.learning_rate,
            num_params=self.num_params,
            severity=severity,
            seeds=tuple(slot_status(slot) for slot in self.slots.values() if not slot.is_empty),
            duration_s=duration_s,
        )
        emit_epoch_completed(self._channel, report)
