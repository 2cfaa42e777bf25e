"""The guardians that are compared: our governor, other rules, and no protection at all."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable

from torch import Tensor
from torch.nn.functional import cross_entropy

from esper._generated.enums import PanicReason, Severity
from esper.tolaria.detection.limits import EPOCH_LIMITS, RobustConfig
from esper.tolaria.detection.verdict import Verdict
from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.probing.probe import ProbeFunction
from esper.tolaria.recovery.escalation import EscalationConfig
from esper.tolaria.tasks.task import Samples
from esper.tolaria.training.build import build_detector
from esper.tolaria.training.run_settings import DetectorName
from faults_campaign.guardian import Guardian
from faults_campaign.loop import TrainingRun
from faults_campaign.network import TASK
from faults_campaign.spike_rule import SpikeRule


class Unprotected:
    """Never reacts, so that a fault has its full effect."""

    may_germinate = True

    def __init__(self, run: TrainingRun) -> None:
        """Leave `run` as it is."""

    def before_step(self, loss: Tensor, grad_norm: Tensor, *, batch: Samples) -> Verdict:
        """Let the step be taken."""
        return Verdict(severity=Severity.OK, loss=loss.item())

    def after_step(self) -> Verdict:
        """Report no anomaly."""
        return Verdict(severity=Severity.OK, loss=0.0)

    def check_vital_signs(self, loss: float, *, batches: Iterable[Samples]) -> Verdict:
        """Report no anomaly."""
        return Verdict(severity=Severity.OK, loss=loss)

    def execute_rollback(self) -> None:
        """Do nothing: there is no snapshot."""

    def snapshot(self) -> None:
        """Do nothing."""

    def expect_shift(self) -> None:
        """Do nothing."""


class SpikeRestarter:
    """Lightning's spike rule, together with the restart from a checkpoint, which Lightning leaves to its user.

    Lightning's callback judges a loss after the step, lists this batch and the one before to be skipped, and raises an
    error, which ends the run. The rest is added here, in its favour: at the end of each epoch a checkpoint of everything is
    saved, and it is loaded at once when the rule has ended the run; no other batches are lost, and the run may restart as
    often, within as many steps, as our governor may roll back.
    """

    PATIENCE = EscalationConfig()

    may_germinate = True

    def __init__(self, run: TrainingRun) -> None:
        """Watch `run`, and replace its network by the checkpoint on a spike."""
        self._run = run
        self._rule = SpikeRule()
        self._checkpoint = copy.deepcopy(run.network)
        self._restarts: list[int] = []
        self._batch_index = -1
        self._loss = math.nan

    def before_step(self, loss: Tensor, grad_norm: Tensor, *, batch: Samples) -> Verdict:
        """Let the step be taken."""
        self._batch_index += 1
        self._loss = loss.item()
        return Verdict(severity=Severity.OK, loss=self._loss)

    def after_step(self) -> Verdict:
        """Judge the loss; restart from the checkpoint if it is a spike."""
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

    def check_vital_signs(self, loss: float, *, batches: Iterable[Samples]) -> Verdict:
        """Start a new epoch; validation losses are not judged."""
        self._batch_index = -1
        return Verdict(severity=Severity.OK, loss=loss)

    def execute_rollback(self) -> None:
        """Do nothing: `after_step` has restarted already."""

    def snapshot(self) -> None:
        """Save a checkpoint, without checking whether its weights are finite."""
        self._checkpoint = copy.deepcopy(self._run.network)

    def expect_shift(self) -> None:
        """Do nothing: the rule does not know expected shifts."""


def governor(run: TrainingRun) -> Guardian:
    """Return our governor, configured as in `Trainer`."""

    def losses(batch: Samples) -> Tensor:
        return cross_entropy(run.network.model(batch.inputs), batch.targets, reduction="none")

    return _governor(run, "robust", losses)


def sigma_governor(run: TrainingRun) -> Guardian:
    """Return our governor with the sigma rule for both series of losses, and no probe; the rest is the same."""
    return _governor(run, "sigma")


def _governor(
    run: TrainingRun, detector: DetectorName, probe: ProbeFunction | None = None
) -> TolariaGovernor:
    return TolariaGovernor(
        run.network.model,
        optimizers=[run.network.follower.optimizer],
        detector=build_detector(TASK, detector, EPOCH_LIMITS),
        step_detector=build_detector(TASK, detector, RobustConfig()),
        probe=probe,
        channel=run.channel,
    )


GOVERNOR = "governor"
GUARDIANS: dict[str, Callable[[TrainingRun], Guardian]] = {
    GOVERNOR: governor,
    "sigma rule": sigma_governor,
    "spike rule": SpikeRestarter,
    "nobody": Unprotected,
}
GOVERNORS = frozenset({GOVERNOR, "sigma rule"})
"""The guardians that keep snapshots and emit telemetry."""
