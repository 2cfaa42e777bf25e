"""Trains a network in DDP over each change of a seed's stage, in two processes; prints how that went, as JSON.

python -m tests.tolaria.training.ddp_life
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing import spawn
from torch.nn.parallel import DistributedDataParallel

from esper import SeedStage, follow
from esper.kasmina.slot import SeedSlot
from tests.kasmina.lives import lead_to
from tests.tolaria.training.followed import network

WORLD_SIZE = 2


def plant(slot):
    slot.germinate("lora")
    slot.advance_stage()


def to_holding(slot):
    slot.step_epoch()
    slot.advance_stage()


def begin_blending(slot):
    slot.advance_stage()
    slot.step_epoch()


def fade_out(slot):
    slot.schedule_prune(steps=2)


# The change, and the stage in which the seed is before it.
CHANGES = {
    "planted": (None, plant),
    "waits in GERMINATED": (SeedStage.GERMINATED, lambda slot: None),
    "enters TRAINING": (SeedStage.GERMINATED, SeedSlot.advance_stage),
    "enters BLENDING": (SeedStage.TRAINING, begin_blending),
    "waits in BLENDING at alpha 0": (SeedStage.TRAINING, SeedSlot.advance_stage),
    "blends in": (SeedStage.BLENDING, SeedSlot.step_epoch),
    "enters HOLDING": (SeedStage.BLENDING, to_holding),
    "becomes a fossil": (SeedStage.HOLDING, SeedSlot.advance_stage),
    "pruned": (SeedStage.HOLDING, SeedSlot.prune),
    "fades out": (SeedStage.HOLDING, fade_out),
}
MODES = {
    "unchanged": {},
    "find_unused_parameters": {"find_unused_parameters": True},
    "wrapped again": {},
}


def outcome(rank, change, mode):
    """Return `ok`, `raises`, or `not synchronised`: whether both ranks get the gradients of the whole batch."""
    stage, act = CHANGES[change]
    torch.manual_seed(rank)
    model = network()
    slot = model[1]
    assert isinstance(slot, SeedSlot)
    if stage is not None:
        lead_to(slot, stage, "lora")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    follow(optimizer, None, model)
    wrapped = DistributedDataParallel(model, **MODES[mode])
    try:
        if stage is not SeedStage.GERMINATED:
            train_step(wrapped, optimizer, rank)
        act(slot)
        if mode == "wrapped again":
            wrapped = DistributedDataParallel(model)
        are_same = [train_step(wrapped, optimizer, rank) for _ in range(3)]
        return "ok" if all(are_same) else "not synchronised"
    except RuntimeError as error:
        if "Expected to have finished reduction" not in str(error):
            raise
        return "raises"


def train_step(wrapped, optimizer, rank):
    """Train on this rank's part of the batch; return whether all gradients are the same on every rank."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(WORLD_SIZE, 4, 3, 4, generator=generator)[rank]
    optimizer.zero_grad()
    wrapped(inputs).square().mean().backward()
    gradients = [one.grad.flatten() for one in wrapped.parameters() if one.grad is not None]
    flat = torch.cat(gradients)
    gathered = [torch.empty_like(flat) for _ in range(WORLD_SIZE)]
    distributed.all_gather(gathered, flat)
    optimizer.step()
    return torch.equal(gathered[0], gathered[1])


def run(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD_SIZE
    )
    outcomes = {change: {mode: outcome(rank, change, mode) for mode in MODES} for change in CHANGES}
    Path(folder, f"{rank}.json").write_text(json.dumps(outcomes), encoding="utf-8")
    distributed.barrier()
    # The destructors of gloo's threads now and then abort a process whose peer has left before it.
    os._exit(0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        spawn(run, (place,), nprocs=WORLD_SIZE)
        texts = {path.read_text(encoding="utf-8") for path in Path(place).glob("*.json")}
        assert len(texts) == 1, texts
        sys.stdout.write(texts.pop())
