"""The training loop: train, validate, judge, score the seeds, grow."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from esper._generated.enums import RunOutcome, SeedStage, Severity
from esper._generated.run import emit_epoch_completed
from esper.kasmina.graft import find_slots
from esper.leyline.actions import Germinate, Rejuvenate
from esper.leyline.channel import SILENT, TelemetryChannel
from esper.leyline.errors import CheckpointError, SnapshotError, UsageError
from esper.leyline.policy import GrowthPolicy, check_policy
from esper.tolaria.detection.limits import EPOCH_LIMITS, RobustConfig
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict
from esper.tolaria.tasks.registry import check_task
from esper.tolaria.tasks.task import Samples, Task, build_host, load_samples
from esper.tolaria.training.build import build_detector, build_optimizer
from esper.tolaria.training.cost import TrainingCost
from esper.tolaria.training.faults import damaged, parse_fault
from esper.tolaria.training.follow import follow
from esper.tolaria.training.gradients import StepGradients, host_parameters
from esper.tolaria.training.growth import (
    apply_actions,
    decide,
    fossils,
    load_policy,
    policy_state_dict,
    slot_status,
)
from esper.tolaria.training.host_checks import check_learns, explained_norms
from esper.tolaria.training.learning_rate import cosine_factor
from esper.tolaria.training.metrics import Evaluation, RunningMeans, TrainingMeans, evaluate
from esper.tolaria.training.rejuvenation import Rejuvenator, TrialInterruptedError
from esper.tolaria.training.reports import EpochReport
from esper.tolaria.training.run_settings import RunSettings, checked_settings
from esper.tolaria.training.scoring import SeedScorer, ask_for_evidence
from esper.tolaria.training.signals import SignalReader

TRAINER_KEYS: Final = ("epochs_completed", "model", "optimizer", "governor", "random")
"""The entries that every state dict of a trainer has."""
_WRONG_STATE: Final = (RuntimeError, LookupError, ValueError, TypeError, AttributeError)
"""What PyTorch and our own code raise when they load a state that is not theirs."""


class Trainer:
    """Trains the network of one task under a governor, and lets a policy grow it.

    `run_task` is the usual way to train: it adds a run folder with log, checkpoints and the grown network. Use a trainer
    directly where none of these is wanted: `Trainer(task, policy=policy).fit()`.

    Attributes:
        model: the network, seeds included.
        slots: its slots, by id.
        num_host_params: parameters of the host alone.
        cost: steps, parameter updates and FLOPs so far.
        epochs_completed: epochs trained to their end.
        duration_s: seconds that they took, of interrupted runs too.
    """

    def __init__(
        self,
        task: Task,
        settings: RunSettings | None = None,
        samples: tuple[Samples, ...] | None = None,
        *,
        policy: GrowthPolicy | None = None,
        channel: TelemetryChannel | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Build host, optimizer and governor. Everything random follows from the seed in `settings`.

        Args:
            task: data, host and hyperparameters.
            settings: epochs, seed, device and so on; the defaults when None.
            samples: samples for training, decisions and, if there is one, the test; the task loads them when None.
            policy: decides about growth; when None the host trains alone, and its slots stay empty and cost nothing.
            channel: where events are emitted; nowhere when None.
            should_stop: asked before every step; training ends in order once it returns True.

        Raises:
            UsageError: `task`, `settings` or `policy` is of another type.
            ValueError: the task's functions return neither samples nor a host, or a host without parameters that learn.
        """
        check_task(task)
        check_policy(policy)
        settings = checked_settings(settings)
        train_samples, val_samples, *test_samples = samples or load_samples(task)
        device = torch.device(settings.device)
        torch.manual_seed(settings.seed)
        if task.num_threads is not None:
            torch.set_num_threads(task.num_threads)
        self._task = task
        self._seed = settings.seed
        self._epochs = settings.epochs_of(task)
        self._faults = tuple(parse_fault(text) for text in settings.faults)
        self._train_samples, self._val_samples = train_samples.to(device), val_samples.to(device)
        self._test_samples = test_samples
        self._policy = policy
        self._channel = channel or SILENT.bind()
        self._should_stop = should_stop
        self.model = build_host(task).to(device)
        check_learns(self.model, task)
        self.slots = {slot.slot_id: slot for slot in find_slots(self.model).values()}
        for slot in self.slots.values():
            slot.channel = self._channel
        ask_for_evidence(self.slots.values())
        self._scorer = SeedScorer(self.model, task.objective, task.price_per_parameter)
        self.num_host_params = self.num_params
        self._gradients = StepGradients(self.model, self.slots, task.max_grad_norm)
        self.cost = TrainingCost(
            self.model, self.slots, task.objective, self._train_samples, task.batch_size
        )
        host = host_parameters(self.model, self.slots)
        self._optimizer = build_optimizer(task, list(host.values()))
        self._follower = follow(
            self._optimizer, None, self.slots, options={"lr": task.seed_learning_rate}
        )
        self._governor = TolariaGovernor(
            self.model,
            optimizers=[self._optimizer],
            detector=build_detector(task, settings.detector, EPOCH_LIMITS),
            step_detector=build_detector(task, settings.detector, RobustConfig()),
            probe=self._losses,
            channel=self._channel,
        )
        self._signals = SignalReader(
            task,
            self.model,
            self.slots,
            self._train_samples,
            seed=self._seed,
            epochs=self._epochs,
        )
        self._rejuvenator = Rejuvenator(
            task,
            self.model,
            self.slots,
            self._optimizer,
            (self._train_samples, self._val_samples),
            governor=self._governor,
            channel=self._channel,
            clip_gradients=self._gradients.clip,
            learning_rate=self._learning_rate,
            should_stop=should_stop,
            cost=self.cost,
            seed=self._seed,
            epochs=self._epochs,
        )
        self.epochs_completed = 0
        self.duration_s = 0.0

    @property
    def num_params(self) -> int:
        """Parameters of the network with its seeds."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def validate(self) -> Evaluation:
        """Score the network on the validation samples, by which decisions are made."""
        return evaluate(self.model, self._val_samples, self._task.objective)

    @property
    def has_test(self) -> bool:
        """Whether there are test samples."""
        return bool(self._test_samples)

    def test(self) -> Evaluation:
        """Score the network on the test samples, which no decision of the run has seen.

        Raises:
            UsageError: the task has no test samples.
        """
        if not self._test_samples:
            raise UsageError(
                f"a test needs test samples, got task {self._task.name!r} without them; return"
                " (training, validation, test) from its load_samples"
            )
        device = self._val_samples.targets.device
        return evaluate(self.model, self._test_samples[0].to(device), self._task.objective)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on, as tensors and plain values.

        `torch.load` reads it with `weights_only=True`, provided that the policy's state is plain.

        Raises:
            UsageError: the policy's `state_dict` did not return a mapping.
        """
        return {
            "epochs_completed": self.epochs_completed,
            **self.cost.state_dict(),
            "duration_s": self.duration_s,
            **self._rejuvenator.state_dict(),
            "model": self.model.state_dict(),
            "optimizer": self._follower.state_dict(),
            "governor": self._governor.state_dict(),
            **policy_state_dict(self._policy),
            "evidence": self._scorer.state_dict(),
            "random": random_state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; training then continues exactly as it would have without interruption.

        Raises:
            CheckpointError: the state belongs to another network, policy or detector; this trainer cannot be used any more.
        """
        try:
            self.model.load_state_dict(state["model"])
            self._follower.load_state_dict(state["optimizer"])
        except _WRONG_STATE as error:
            raise CheckpointError(
                f"a checkpoint must fit the task's host, got another network ({_reason(error)});"
                " resume with the task as it was"
            ) from error
        load_policy(self._policy, state)
        try:
            self._governor.load_state_dict(state["governor"])
            # Checkpoints of earlier versions have no evidence.
            self._scorer.load_state_dict(state.get("evidence"))
            self.epochs_completed = state["epochs_completed"]
            self.cost.load_state_dict(state)
            self._rejuvenator.load_state_dict(state)
            # Checkpoints of earlier versions lack it.
            self.duration_s = state.get("duration_s", 0.0)
            load_random_state_dict(state["random"])
        except _WRONG_STATE as error:
            raise CheckpointError(
                f"a checkpoint must hold the state of a run with these settings, got another one ({_reason(error)});"
                " resume with the settings as they were, or remove this checkpoint to resume from an older one"
            ) from error

    def fit(self, after_epoch: Callable[[], None] = lambda: None) -> RunOutcome:
        """Train the remaining epochs; return whether they were completed, interrupted, or stopped by the governor.

        `after_epoch` is called after each epoch, when `state_dict` may be saved.

        Raises:
            SlotError: the policy asked a slot for something that it cannot do.
            UsageError: the policy returned something that is not a list of actions.
        """
        while self.epochs_completed < self._epochs:
            epoch = self.epochs_completed + 1
            started = time.monotonic()
            self._channel.advance(epoch=epoch)
            self._optimizer.param_groups[0]["lr"] = self._learning_rate(epoch)

            training = self._train_epoch(epoch)
            if training is None:
                return RunOutcome.INTERRUPTED
            validation = self.validate()
            verdict = training.worst_verdict
            if not verdict.must_stop:
                verdict = _worse(verdict, self._judge(validation))
            is_healthy = verdict.severity is Severity.OK
            is_trial = self._rejuvenator.is_trying
            if is_healthy and not is_trial:
                self._scorer.score(self.slots.values(), self._val_samples, validation)
            self._report(training, validation, verdict.severity, time.monotonic() - started)
            if verdict.must_stop:
                return RunOutcome.STOPPED
            self._rejuvenator.end_epoch(epoch, validation.losses)
            if is_healthy and not is_trial:
                try:
                    self._grow(epoch, training, validation)
                except TrialInterruptedError:
                    return RunOutcome.INTERRUPTED
            for slot in self.slots.values():
                # In a trial seeds are blended in, but not judged, so that no other stage counts its epochs.
                if not is_trial or slot.stage is SeedStage.BLENDING:
                    slot.step_epoch()
            self._follower.update()
            self.epochs_completed = epoch
            self.duration_s += time.monotonic() - started
            after_epoch()
        return RunOutcome.COMPLETED

    def _learning_rate(self, epoch: int) -> float:
        """Return the host's learning rate in `epoch`."""
        restarted_after = self._rejuvenator.restarted_after
        rate = self._task.host_learning_rate
        rate *= cosine_factor(epoch - restarted_after, self._epochs - restarted_after)
        for fault in self._faults:
            rate *= fault.learning_rate_factor(epoch)
        return rate

    def _train_epoch(self, epoch: int) -> TrainingMeans | None:
        """Take one governed step on every batch; return None when training was asked to stop."""
        self.model.train()
        means = RunningMeans(self._train_samples.targets.device, self._task.objective)
        worst_verdict = Verdict(severity=Severity.OK, loss=0.0)
        batches = self._train_samples.shuffled_batches(
            self._task.batch_size, seed=self._seed, epoch=epoch
        )
        for step, batch in enumerate(batches):
            if self._should_stop():
                return None
            with explained_norms(batch, self._task):
                outputs = self.model(batch.inputs)
            loss = self._task.objective.loss(outputs, batch.targets)
            if any(fault.damages_loss(epoch, step) for fault in self._faults):
                loss = damaged(loss)
            self._optimizer.zero_grad()
            loss.backward()
            if step == 0:
                self._gradients.record(epoch)
            grad_norm = self._gradients.clip()

            verdict = self._governor.before_step(loss, grad_norm, batch=batch)
            if verdict.may_step:
                self._optimizer.step()
                self.cost.count_steps()
            verdict = self._governor.after_step()
            worst_verdict = _worse(worst_verdict, verdict)
            if verdict.needs_rollback:
                # The governor has rolled back already, which has pruned seeds.
                self._follower.update()
            means.add(loss, outputs, batch.targets, grad_norm)
            if verdict.must_stop:
                break
        return means.result(worst_verdict)

    def _losses(self, batch: Samples) -> Tensor:
        """Return the loss of each sample, (B,), for the governor's comparisons."""
        return self._task.objective.losses(self.model(batch.inputs), batch.targets)

    def _judge(self, validation: Evaluation) -> Verdict:
        """Let the governor judge the epoch; roll back if it says so, or take a snapshot of a healthy network."""
        batches = self._val_samples.batches(self._task.batch_size)
        verdict = self._governor.check_vital_signs(validation.loss, batches=batches)
        if verdict.needs_rollback:
            self._governor.execute_rollback()
        elif verdict.severity is Severity.OK:
            # The governor reports a snapshot that cannot be taken, and keeps the earlier ones.
            with suppress(SnapshotError):
                self._governor.snapshot()
        return verdict

    def _grow(self, epoch: int, training: TrainingMeans, validation: Evaluation) -> None:
        """Ask the policy and apply its actions; take a snapshot at once when a seed has become a fossil."""
        if self._policy is None:
            return
        signals = self._signals.read(
            epoch,
            training,
            validation,
            may_germinate=self._governor.may_germinate,
            restarted_after=self._rejuvenator.restarted_after,
            num_host_params=self.num_host_params,
            cost=self.cost,
            duration_s=self.duration_s,
        )
        fossils_before = fossils(self.slots)
        actions = decide(self._policy, signals)
        apply_actions(actions, self.slots, partial(self._rejuvenate, epoch=epoch))
        if any(isinstance(action, Germinate) for action in actions):
            self._governor.expect_shift()
        if fossils(self.slots) != fossils_before:
            with suppress(SnapshotError):
                self._governor.snapshot()

    def _rejuvenate(self, action: Rejuvenate, epoch: int) -> None:
        # Seeds that were just planted get their groups first, so that both copies of a trial train them from the first step.
        self._follower.update()
        self._rejuvenator.act(action, epoch)

    def _report(
        self, training: TrainingMeans, validation: Evaluation, severity: Severity, duration_s: float
    ) -> None:
        report = EpochReport(
            train_loss=training.loss,
            train_accuracy=training.accuracy,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            host_grad_norm=training.grad_norm,
            learning_rate=self._optimizer.param_groups[0]["lr"],
            num_params=self.num_params,
            severity=severity,
            seeds=tuple(slot_status(slot) for slot in self.slots.values() if not slot.is_empty),
            duration_s=duration_s,
        )
        emit_epoch_completed(self._channel, report, **self.cost.reported)


def _reason(error: Exception) -> str:
    """Return the first line of what PyTorch says about a state that does not fit."""
    name = f"{type(error).__name__} " if isinstance(error, KeyError) else ""
    return name + str(error).partition("\n")[0]


def _worse(one: Verdict, other: Verdict) -> Verdict:
    """Return the verdict with the higher severity."""
    return other if other.severity > one.severity else one
