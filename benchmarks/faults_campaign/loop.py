"""The training loop of the campaign: plain PyTorch with a guardian, as a user would write it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from esper._generated.enums import Severity
from esper.kasmina.gradients import capture_gradient_health
from esper.leyline.actions import Germinate
from esper.leyline.errors import SnapshotError
from esper.leyline.signals import TrainingSignals
from esper.nissa.hub import Hub
from esper.nissa.hub_config import HubConfig
from esper.nissa.sinks.memory import MemorySink
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.training.growth import apply_actions, fossils
from esper.tolaria.training.learning_rate import cosine_factor
from esper.tolaria.training.metrics import Evaluation, evaluate
from esper.tolaria.training.signals import slot_signals
from faults_campaign.guardian import Guardian
from faults_campaign.network import EPOCH_STEPS, TASK, Network, build_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A reaction of the guardian: it refused a step, rolled back, or stopped the run."""

    step: int
    """Steps tried until then."""
    severity: Severity


class TrainingRun:
    """One network in training, with a guardian that protects it from injected faults.

    Attributes:
        seed: determines everything random.
        network: the network and its optimizer; a guardian may replace them.
        samples: the training samples; faults may damage them.
        order_seed: determines the order of the batches.
        learning_rate_scale: factor on the scheduled learning rate.
        hub: receives the telemetry.
        memory: the sink that holds the telemetry so far.
        guardian: protects the run.
        step: steps tried so far.
        alarms: the guardian's reactions so far.
        accuracies: validation accuracy at the end of each epoch, in percent.
        host_accuracies: the same without live seeds.
    """

    def __init__(
        self,
        seed: int,
        *,
        guard: Callable[[TrainingRun], Guardian],
        before_step: Callable[[TrainingRun], None],
        grows: bool,
    ) -> None:
        """Build the network and, with `guard`, its guardian; `before_step` is called before every step.

        With `grows`, a policy grows the network.
        """
        torch.set_num_threads(TASK.num_threads)
        self.seed = self.order_seed = seed
        self.learning_rate_scale = 1.0
        self.step = 0
        self.alarms: list[Alarm] = []
        self.accuracies: list[float] = []
        self.host_accuracies: list[float] = []
        # Faults change samples in place.
        self.samples, self._val_samples = copy.deepcopy(TASK.load_samples())
        # Do not wait for the sink that blocks on purpose.
        self.hub = Hub("faults", config=HubConfig(close_timeout_s=0.1))
        self.memory = self.hub.attach(MemorySink())
        self.channel = self.hub.channel(env_id=0)
        self.adopt(build_network(seed, grows=grows))
        self.guardian = guard(self)
        self._before_step = before_step

    def train(self) -> bool:
        """Train all epochs; return False if the guardian stopped the run before that."""
        with self.hub:
            for epoch in range(1, TASK.epochs + 1):
                self.channel.advance(epoch=epoch)
                if not self._train_epoch(epoch):
                    return False
                validation = self.validate()
                self.accuracies.append(validation.accuracy)
                self.host_accuracies.append(self._validate_without_seeds().accuracy)
                verdict = self._judge(validation)
                if verdict.must_stop:
                    return False
                if verdict.severity is Severity.OK:
                    self._score_seeds(validation.accuracy)
                    self._grow(epoch, validation)
                for slot in self.network.slots.values():
                    slot.step_epoch()
                self.network.follower.update()
        return True

    def validate(self) -> Evaluation:
        """Score the network on the validation samples."""
        return evaluate(self.network.model, self._val_samples)

    def _validate_without_seeds(self) -> Evaluation:
        """Score the network with its live seeds switched off, which a rollback would prune."""
        with ExitStack() as switched_off:
            for slot in self.network.slots.values():
                if slot.is_unsettled:
                    switched_off.enter_context(slot.force_alpha(0.0))
            return self.validate()

    def adopt(self, network: Network) -> None:
        """Continue with `network`."""
        self.network = network
        # The slots of a copied network have no channel.
        network.emit_on(self.channel)

    def _train_epoch(self, epoch: int) -> bool:
        """Take a step on every batch; return False if the guardian stopped the run."""
        self.network.model.train()
        batches = self.samples.shuffled_batches(TASK.batch_size, seed=self.order_seed, epoch=epoch)
        for index in range(EPOCH_STEPS):
            self._before_step(self)
            batch = next(batches)
            network, optimizer = self.network, self.network.follower.optimizer
            factor = self.learning_rate_scale * cosine_factor(epoch, TASK.epochs)
            optimizer.param_groups[0]["lr"] = TASK.host_learning_rate * factor
            loss = cross_entropy(network.model(batch.inputs), batch.targets)
            optimizer.zero_grad()
            loss.backward()
            if index == 0:
                self._record_gradients(epoch)
            grad_norm = network.clip_gradients()

            self.step += 1
            verdict = self.guardian.before_step(loss, grad_norm, batch=batch)
            if verdict.may_step:
                optimizer.step()
            verdict = self.guardian.after_step()
            self._note(verdict)
            if verdict.needs_rollback:
                # The guardian has rolled back already, which has pruned seeds.
                self.network.follower.update()
            if verdict.must_stop:
                return False
        return True

    def _judge(self, validation: Evaluation) -> Verdict:
        """Let the guardian judge the epoch; roll back if it says so, or take a snapshot of a healthy network."""
        batches = self._val_samples.batches(TASK.batch_size)
        verdict = self.guardian.check_vital_signs(validation.loss, batches=batches)
        self._note(verdict)
        if verdict.needs_rollback:
            self.guardian.execute_rollback()
        elif verdict.severity is Severity.OK:
            # A snapshot that cannot be taken must not end the run; the earlier ones are kept.
            with suppress(SnapshotError):
                self.guardian.snapshot()
        return verdict

    def _note(self, verdict: Verdict) -> None:
        if verdict.is_anomalous and not verdict.may_step:
            self.alarms.append(Alarm(step=self.step, severity=verdict.severity))

    def _record_gradients(self, epoch: int) -> None:
        for slot in self.network.slots.values():
            if slot.is_unsettled:
                health = capture_gradient_health(slot, self.network.host_parameters, epoch=epoch)
                slot.record_gradients(health)

    def _score_seeds(self, accuracy: float) -> None:
        for slot in self.network.slots.values():
            slot.record_accuracy(accuracy)
            if slot.is_unsettled and slot.alpha > 0.0:
                with slot.force_alpha(0.0):
                    without = evaluate(self.network.model, self._val_samples)
                slot.record_contribution(accuracy - without.accuracy)

    def _grow(self, epoch: int, validation: Evaluation) -> None:
        """Ask the policy and apply its actions; take a snapshot at once when a seed has become a fossil."""
        network = self.network
        if network.policy is None:
            return
        signals = TrainingSignals(
            epoch=epoch,
            epochs=TASK.epochs,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            may_germinate=self.guardian.may_germinate,
            slots=tuple(slot_signals(slot) for slot in network.slots.values()),
        )
        fossils_before = fossils(network.slots)
        actions = network.policy.decide(signals)
        apply_actions(actions, network.slots)
        if any(isinstance(action, Germinate) for action in actions):
            self.guardian.expect_shift()
        if fossils(network.slots) != fossils_before:
            with suppress(SnapshotError):
                self.guardian.snapshot()
