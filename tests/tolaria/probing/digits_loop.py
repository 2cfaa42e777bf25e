"""Small real trainings on digits in which the data change, or the weights are damaged, at a chosen step."""

import random
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from esper.tolaria.governor import TolariaGovernor
from esper.tolaria.tasks.digits import DIGITS
from tests.tolaria.recording_channel import RecordingChannel

CHANGE_STEP = 150
NUM_STEPS = 300


@dataclass
class Result:
    """The events, the losses and the steps of the rollbacks of a run."""

    channel: RecordingChannel = field(default_factory=RecordingChannel)
    losses: list[float] = field(default_factory=list)
    rollback_steps: list[int] = field(default_factory=list)
    governor: TolariaGovernor | None = None
    model: nn.Module | None = None


def batch_of(kind, step, samples):
    """Return the inputs (B, 64) and targets (B,) of a step of the data `kind`."""
    inputs, targets = samples
    pool = torch.arange(len(targets))
    has_changed = step >= CHANGE_STEP
    if kind == "curriculum" and not has_changed:
        pool = (targets < 3).nonzero()[:, 0]
    if kind == "class incremental":
        pool = (targets < 2 + 2 * (step // (NUM_STEPS // 4))).nonzero()[:, 0]
    chosen = pool[torch.randint(0, len(pool), (32,))]
    x, y = inputs[chosen], targets[chosen]
    if kind == "new labels" and has_changed:
        y = (y * 3 + 1) % 10
    if kind == "augmentation" and has_changed:
        x = x + torch.randn_like(x) * 0.5
    if kind == "bad batches" and random.random() < 0.05:
        y = torch.randint(0, 10, (32,))
    if kind == "tasks in blocks" and (step // 30) % 2:
        x, y = x.flip(1), (y + 5) % 10
    return x, y


def damage(kind, step, model):
    """Damage the weights of `model` if it is time, and return the learning rate of the step."""
    since = step - CHANGE_STEP
    with torch.no_grad():
        if kind == "wiped" and since == 0:
            for parameter in model.parameters():
                parameter.normal_(0.0, 0.5)
        if kind == "noisy weights" and 0 <= since < 20:
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return 10.0 if kind == "learning rate x100" and 0 <= since < 5 else 0.1


def train(kind, *, seed=0, reduction=None, is_governed=True, is_announced=False, **settings):
    """Train a small network for `NUM_STEPS` steps; with a `reduction` the governor has a probe that reduces so."""
    torch.manual_seed(seed)
    random.seed(seed)
    train_samples, *_ = DIGITS.load_samples()
    samples = train_samples.inputs.flatten(1), train_samples.targets
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    result = Result(model=model)
    if reduction is not None:
        settings["probe"] = lambda batch: cross_entropy(
            model(batch[0]), batch[1], reduction=reduction
        )
    if is_governed:
        result.governor = TolariaGovernor(
            model, optimizers=[optimizer], channel=result.channel, **settings
        )
    for step in range(NUM_STEPS):
        if is_announced and step == CHANGE_STEP:
            result.governor.expect_shift()
        batch = batch_of(kind, step, samples)
        optimizer.param_groups[0]["lr"] = damage(kind, step, model)
        loss = cross_entropy(model(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        result.losses.append(loss.item())
        if result.governor is None:
            optimizer.step()
            continue
        if result.governor.before_step(loss, batch=batch).may_step:
            optimizer.step()
        if result.governor.after_step().needs_rollback:
            result.rollback_steps.append(step)
    return result
