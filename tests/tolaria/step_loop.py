"""A training loop without training, for tests of the governor around an optimizer's step."""

import torch
from torch import nn

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.recovery.config import GovernorConfig
from esper.tolaria.recovery.escalation import EscalationConfig
from tests.tolaria.curves import healthy_losses
from tests.tolaria.recording_channel import RecordingChannel

BUDGET = 5
FAST = GovernorConfig(
    snapshot_interval=10,
    trust_after_steps=5,
    max_skips=4,
    escalation=EscalationConfig(budget=BUDGET),
)


class Loop:
    """A training loop without training: every step adds one to a weight."""

    def __init__(self, *, config: GovernorConfig = FAST, **settings) -> None:
        self.model = nn.Linear(2, 2)
        self.model.weight.data.zero_()
        self.channel = RecordingChannel()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)
        self.rates: list[float] = []
        self.governor = TolariaGovernor(
            self.model,
            optimizers=[self.optimizer],
            channel=self.channel,
            config=config,
            **settings,
        )
        # Runs after the governor's own hook, so it sees the learning rate of the step.
        self.optimizer.register_step_pre_hook(
            lambda optimizer, *_: self.rates.append(optimizer.param_groups[0]["lr"])
        )

    def step(self, loss: float, grad_norm: float = 1.0):
        """Take a step if the governor allows it, and return its verdict."""
        self.model.weight.grad = torch.ones(2, 2)
        verdict = self.governor.before_step(loss, grad_norm)
        if verdict.may_step:
            self.optimizer.zero_grad()
            self.optimizer.step()
            self.model.weight.data += 1.0
            self.governor.after_step()
        return verdict

    def run(self, num_steps: int) -> None:
        """Take healthy steps."""
        for loss in healthy_losses(num_steps, noise=0.05):
            assert self.step(loss).may_step


def ready(num_steps: int = 100, **settings) -> Loop:
    """Return a loop after `num_steps` healthy steps."""
    loop = Loop(**settings)
    loop.run(num_steps)
    return loop
