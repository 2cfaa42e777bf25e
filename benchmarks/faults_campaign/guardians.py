"""What can stand between a training run and its faults: our governor, another rule, or nobody."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.detector import Detector, SigmaDetector
from esper.tolaria.detection.robust import EPOCH_LIMITS, RobustConfig, RobustDetector
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.escalation import EscalationConfig
from faults_campaign.guardian import Guardian
from faults_campaign.loop import TrainingRun
from faults_campaign.network import TASK
from faults_campaign.spike_rule import SpikeRule

_GUESS = math.log(TASK.num_classes)


class Nobody:
    """Lets everything happen."""

    may_germinate = True

    def __init__(self, run: TrainingRun) -> None:
        """Look away from `run`."""

    def before_step(self, loss: Tensor, grad_norm: Tensor) -> Verdict:
        """Let the step be taken."""
        return Verdict(severity=Severity.OK, loss=loss.item())

    def after_step(self) -> Verdict:
        """See nothing."""
        return Verdict(severity=Severity.OK, loss=0.0)

    def check_vital_signs(self, loss: float) -> Verdict:
        """See nothing."""
        return Verdict(severity=Severity.OK, loss=loss)

    def execute_rollback(self) -> None:
        """Have nothing to go back to."""

    def snapshot(self) -> None:
        """Keep nothing."""

    def expect_shift(self) -> None:
        """Expect nothing."""


class SpikeRestarter:
    """Lightning's spike rule, and what its user has to do when it has ended the run: restart from a checkpoint.

    The callback itself judges a loss after the step, names this batch and the one before to be left out, and raises. The
    rest is ours, in its favour: a checkpoint of everything at the end of each epoch, loaded at once and without loss
    of a batch but those two, as often within as many steps as our governor goes back.
    """

    PATIENCE = EscalationConfig()

    may_germinate = True

    def __init__(self, run: TrainingRun) -> None:
        """Watch over `run`, and put its network back."""
        self._run = run
        self._rule = SpikeRule()
        self._checkpoint = copy.deepcopy(run.network)
        self._restarts: list[int] = []
        self._batch_index = -1
        self._loss = math.nan

    def before_step(self, loss: Tensor, grad_norm: Tensor) -> Verdict:
        """Let the step be taken."""
        self._batch_index += 1
        self._loss = loss.item()
        return Verdict(severity=Severity.OK, loss=self._loss)

    def after_step(self) -> Verdict:
        """Judge the loss, and restart if it is a spike."""
        if not self._rule.is_spike(self._loss, self._batch_index):
            return Verdict(severity=Severity.OK, loss=self._loss)
        oldest = self._run.step - self.PATIENCE.window_steps
        is_last = sum(step > oldest for step in self._restarts) >= self.PATIENCE.budget
        self._restarts.append(self._run.step)
        self._rule = SpikeRule()
        self._run.adopt(copy.deepcopy(self._checkpoint))
        return Verdict(
            severity=Severity.STOP if is_last else Severity.ROLLBACK,
            reason=PanicReason.DIVERGENCE,
            loss=self._loss,
        )

    def check_vital_signs(self, loss: float) -> Verdict:
        """Begin a new epoch; validation losses are not judged."""
        self._batch_index = -1
        return Verdict(severity=Severity.OK, loss=loss)

    def execute_rollback(self) -> None:
        """Have gone back already."""

    def snapshot(self) -> None:
        """Write a checkpoint; nobody asks whether it is sound."""
        self._checkpoint = copy.deepcopy(self._run.network)

    def expect_shift(self) -> None:
        """Know of no shifts."""


def governor(run: TrainingRun) -> Guardian:
    """Return our governor as our trainer has it."""
    epochs, steps = (
        RobustDetector(replace(limits, random_guess_loss=_GUESS))
        for limits in (EPOCH_LIMITS, RobustConfig())
    )
    return _governor(run, epochs, steps)


def sigma_governor(run: TrainingRun) -> Guardian:
    """Return our governor with the sigma rule for both series of losses: only the rules differ."""
    epochs, steps = (
        SigmaDetector(absolute_threshold=TASK.absolute_loss_threshold, random_guess_loss=_GUESS)
        for _ in range(2)
    )
    return _governor(run, epochs, steps)


def _governor(run: TrainingRun, epochs: Detector, steps: Detector) -> TolariaGovernor:
    return TolariaGovernor(
        run.network.model,
        optimizers=[run.network.optimizer.inner],
        detector=epochs,
        step_detector=steps,
        channel=run.channel,
    )


GOVERNOR = "governor"
GUARDIANS: dict[str, Callable[[TrainingRun], Guardian]] = {
    GOVERNOR: governor,
    "sigma rule": sigma_governor,
    "spike rule": SpikeRestarter,
    "nobody": Nobody,
}
GOVERNORS = frozenset({GOVERNOR, "sigma rule"})
"""Those that have snapshots and tell of what they do."""
