"""A paired trial of rejuvenation: its state while it runs, and the comparison that ends it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self, final

from torch import Tensor

from esper._generated.records import RejuvenationEvidence
from esper.kasmina.evidence import countable_losses
from esper.kasmina.interval import mean_interval
from esper.leyline.actions import Rejuvenate
from esper.tolaria.training.training_state import NetworkCopy

CONFIDENCE: Final = 0.95
"""Confidence of the interval of a trial; one trial is one look."""

TOLERANCE: Final = 0.2
"""How much worse the rejuvenated copy may still be at the end of its trial, in standard deviations of the paired differences.

A fifth is a small effect (Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988): the two differ more in which samples
they get right than in how many. Unlike a share of the loss, it means the same whatever the loss cannot fall below. Measured after a
tenth of the epochs that are left, on decision splits: on `mnist1d`, seeds 100 to 107, the lower bound is above -0.15 for seven and -0.44
for one; on `pydoc`, seed 100, where rejuvenation spoils the network, it is below -1.5.
"""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial whose reference has been trained, and whose rejuvenated copy is trained by the epochs that follow."""

    action: Rejuvenate
    after_epoch: int
    num_epochs: int
    restarted_before: int
    """Epoch after which the schedule of the learning rate had started before."""
    losses: Tensor
    """Losses of the reference on the decision split, (N,)."""
    reference: NetworkCopy
    detection: Mapping[str, Any]
    """What the governor's detectors knew before the trial."""
    num_updates_before: int
    duration_s: float

    def state_dict(self) -> dict[str, Any]:
        """Return the trial in tensors and plain values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "action": asdict(self.action),
            "reference": self.reference.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Build a trial from the result of `state_dict`."""
        values = dict(state) | {
            "action": Rejuvenate(**state["action"]),
            "reference": NetworkCopy.from_state_dict(state["reference"]),
        }
        return cls(**values)


def has_caught_up(evidence: RejuvenationEvidence) -> bool:
    """Return whether the trial has shown that the rejuvenated network is worse by less than the tolerance.

    The whole interval must say so: a trial on too few samples to tell does not keep the change. The trial is short in
    comparison with the epochs that are left, in which the rejuvenated network can gain what the other one has no room for; one that
    has not caught up by then had too much to lose.
    """
    return evidence.low > -evidence.tolerance


def has_broken(evidence: RejuvenationEvidence) -> bool:
    """Return whether a copy is shown to be worse by more than the tolerance than what it is compared with."""
    return evidence.high < -evidence.tolerance


def compare(
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
        tolerance=TOLERANCE * differences.std(correction=0).item(),
        num_samples=len(differences),
        num_steps=num_steps,
        num_updates=num_updates,
    )
