"""Every optimizer and scheduler of PyTorch that a network with slots may be trained with, and such a network."""

import torch
from torch import nn, optim
from torch.optim import lr_scheduler as schedules
from torch.optim.swa_utils import SWALR

from esper.kasmina.gates import QualityGates
from esper.kasmina.slot import SeedSlot

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD-momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "SGD-fused": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "Adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "AdamW-foreach": lambda p: optim.AdamW(p, lr=0.1, foreach=True),
    "AdamW-fused": lambda p: optim.AdamW(p, lr=0.1, fused=True),
    "AdamW-tensor-lr": lambda p: optim.AdamW(p, lr=torch.tensor(0.1), foreach=False),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.9),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.5),
    "Adagrad-fused": lambda p: optim.Adagrad(p, lr=0.1, fused=True),
    "Adadelta": lambda p: optim.Adadelta(p, lr=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1),
    "Rprop": lambda p: optim.Rprop(p, lr=0.1),
    "Adafactor": lambda p: optim.Adafactor(p, lr=0.1),
    "Muon": lambda p: optim.Muon(p, lr=0.1),
}
"""Builders by name. The seed that `network` is meant for, `lora`, has matrices alone, as Muon needs them."""

SCHEDULERS = {
    "StepLR": lambda o: schedules.StepLR(o, 3),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [2, 5]),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 9),
    "LinearLR": lambda o: schedules.LinearLR(o, total_iters=6),
    "ConstantLR": lambda o: schedules.ConstantLR(o, total_iters=6),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, 9),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 4),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.1, 12, cycle_momentum=_has_momentum(o)),
    "CyclicLR": lambda o: schedules.CyclicLR(o, 0.1, 0.4, 3, cycle_momentum=_has_momentum(o)),
    "LambdaLR": lambda o: schedules.LambdaLR(
        o, [lambda epoch: 1 / (1 + epoch)] * len(o.param_groups)
    ),
    "MultiplicativeLR": lambda o: schedules.MultiplicativeLR(
        o, [lambda epoch: 0.9] * len(o.param_groups)
    ),
    "SWALR": lambda o: SWALR(o, 0.03, anneal_epochs=5),
    "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(
        o, patience=1, min_lr=[0.001] * len(o.param_groups)
    ),
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.ConstantLR(o, 0.5, 3), schedules.CosineAnnealingWarmRestarts(o, 4)], [3]
    ),
    "ChainedScheduler": lambda o: schedules.ChainedScheduler(
        [schedules.LinearLR(o), schedules.MultiplicativeLR(o, lambda epoch: 0.9)], optimizer=o
    ),
}
"""Builders by name; those that take a list for each group get one."""


def _has_momentum(optimizer):
    return "momentum" in optimizer.defaults or "betas" in optimizer.defaults


def advance(scheduler):
    """Take one step of any scheduler; the metric of `ReduceLROnPlateau` never gets better."""
    if isinstance(scheduler, schedules.ReduceLROnPlateau):
        scheduler.step(1.0)
    else:
        scheduler.step()


def network(*, num_slots=1) -> nn.Sequential:
    """Return a network for inputs (B, T, 4) whose first layers are matrices alone, each followed by a slot."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for index in range(num_slots):
        layers.append(nn.Linear(4, 4, bias=False))
        layers.append(
            SeedSlot(f"s{index}", 4, topology="transformer", gates=QualityGates(permissive=True))
        )
    return nn.Sequential(*layers, nn.Linear(4, 2, bias=False))


def backward(model, optimizer):
    """Leave the gradients of one batch."""
    optimizer.zero_grad()
    inputs = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(1))
    model(inputs).square().mean().backward()


def step(model, optimizer):
    """Train on one batch."""
    backward(model, optimizer)
    optimizer.step()


def finish(slot):
    """Lead a seed from TRAINING to its end as a fossil."""
    slot.record_accuracy(50.0)
    slot.advance_stage()
    for _ in range(slot.blend_tempo_epochs):
        slot.step_epoch()
    slot.record_accuracy(50.0)
    slot.advance_stage()
    slot.record_contribution(1.0)
    slot.advance_stage()
