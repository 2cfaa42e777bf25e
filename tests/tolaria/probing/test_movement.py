"""Without a probe, the distance that the weights have moved tells other data from damaged weights."""

import torch
from torch import nn
from torch.nn.functional import mse_loss

from esper._generated.enums import ClearedBy
from esper._generated.governor import GovernorClearedPayload
from esper.tolaria.governor import TolariaGovernor
from tests.tolaria.probing.digits_loop import train

START = 120
"""Step of the change."""


def run(*, offset=0.0, wipes=False, resumes=False):
    """Train a network on noisy data; at `START` the targets are shifted by `offset`, or its weights are wiped."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)

    def govern():
        return TolariaGovernor(model, optimizers=[optimizer])

    governor, rollbacks = govern(), []
    for step in range(START + 20):
        if step == START and resumes:
            state = governor.state_dict()
            governor = govern()
            governor.load_state_dict(state)
        if step == START and wipes:
            with torch.no_grad():
                model[2].weight.mul_(-8.0)
        x = torch.randn(16, 4)
        y = x.sum(1, keepdim=True) + 0.5 * torch.randn(16, 1)
        loss = mse_loss(model(x), y + (offset if step >= START else 0.0))
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.get_total_norm([one.grad for one in model.parameters()])
        verdict = governor.before_step(loss, norm)
        if verdict.may_step:
            optimizer.step()
        if verdict.needs_rollback:
            rollbacks.append(step)
        governor.after_step()
    return rollbacks


def test_other_data_are_cleared_because_the_weights_have_moved_as_usual():
    result = train("curriculum")

    assert result.rollback_steps == []
    assert ClearedBy.TRAVEL in {one.by for one in result.channel.of(GovernorClearedPayload)}


def test_damaged_weights_are_undone_at_the_second_anomalous_loss():
    assert run(wipes=True)[0] == START + 1


def test_the_distances_survive_a_checkpoint():
    assert run(offset=6.0, resumes=True) == run(offset=6.0)
    assert run(wipes=True, resumes=True) == run(wipes=True)
