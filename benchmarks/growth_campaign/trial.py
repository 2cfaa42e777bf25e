"""One run of the campaign: one task, one arm, one seed, and its outcome."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import msgspec

from esper._generated.enums import RunOutcome
from esper._generated.lifecycle import SeedGerminatedPayload
from esper._generated.run import HostRejuvenatedPayload
from esper.kasmina.slot import SeedSlot
from esper.leyline.channel import TelemetryChannel
from esper.leyline.policy import GrowthPolicy
from esper.nissa.hub import Hub
from esper.nissa.sinks.memory import MemorySink
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.tasks.task import Samples, Task, load_samples
from esper.tolaria.training.cost import inference_flops
from esper.tolaria.training.growth import fossils
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer
from growth_campaign.arms import (
    DEEPER,
    EQUAL_COST,
    START,
    START_EQUAL_COST,
    START_REJUVENATED,
    WIDER,
)
from growth_campaign.networks import Build, deeper, wider, with_fossils
from growth_campaign.policies import Planting, Twin, policy_for

Split = Literal["decision", "test"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A run, by everything that decides it apart from the code."""

    task: str
    arm: str
    seed: int
    split: Split
    epochs: int
    twin: Twin | None = None
    """None for the arms that copy nothing."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run."""

    quality: float
    """Accuracy in percent, or bits per byte for text."""
    loss: float
    """Mean loss in nats on the same samples."""
    num_params: int
    updates: int
    flops: float
    seconds: float
    """CPU seconds of the training."""
    inference_flops: float
    epochs: int
    """Epochs trained."""
    completed: bool
    """False where the governor stopped the run."""
    plantings: tuple[Planting, ...]
    """The seeds that were kept."""
    rejuvenations: tuple[int, ...]
    """The epochs after which the network was rejuvenated."""


def is_text(task: str) -> bool:
    """Return whether the quality of `task` is measured in bits per byte, of which fewer are better."""
    return task == "pydoc"


def run(job: Job) -> Outcome:
    """Train and score the network of `job`."""
    task = get_task(job.task)
    samples = load_samples(task)
    build = _build(task, job)
    if build is not None:
        task = replace(task, build_host=build)
    epochs = job.epochs
    if job.arm in (EQUAL_COST, START_EQUAL_COST):
        epochs = _epochs_of_equal_cost(task, job, samples)
    policy = policy_for(job.arm, task, seed=job.seed, twin=job.twin)
    with Hub("growth") as hub:
        memory = hub.attach(MemorySink())
        trainer = _trainer(task, job, epochs, samples, policy, hub.channel(env_id=0))
        started = time.process_time()
        outcome = trainer.fit()
        seconds = time.process_time() - started
    scores = trainer.test() if job.split == "test" else trainer.validate()
    return Outcome(
        quality=scores.loss / math.log(2) if is_text(job.task) else scores.accuracy,
        loss=scores.loss,
        num_params=trainer.num_params,
        updates=trainer.cost.num_updates,
        flops=float(trainer.cost.num_flops),
        seconds=seconds,
        inference_flops=float(inference_flops(trainer.model, samples[0])),
        epochs=trainer.epochs_completed,
        completed=outcome is RunOutcome.COMPLETED,
        plantings=_plantings(memory, trainer.slots),
        rejuvenations=tuple(
            payload.after_epoch
            for _, payload in memory.events
            if isinstance(payload, HostRejuvenatedPayload) and payload.is_kept
        ),
    )


def _plantings(memory: MemorySink, slots: Mapping[str, SeedSlot]) -> tuple[Planting, ...]:
    """Return the newest planting of each slot whose seed was kept; seeds that were there from the start have epoch 0."""
    epochs = {
        payload.slot_id: envelope.epoch or 0
        for envelope, payload in memory.events
        if isinstance(payload, SeedGerminatedPayload)
    }
    return tuple(
        Planting(
            slot_id=slot_id,
            blueprint_id=slots[slot_id].blueprint_id,
            epoch=epochs.get(slot_id, 0),
        )
        for slot_id in sorted(fossils(slots))
    )


def _trainer(
    task: Task,
    job: Job,
    epochs: int,
    samples: tuple[Samples, ...],
    policy: GrowthPolicy | None = None,
    channel: TelemetryChannel | None = None,
) -> Trainer:
    settings = RunSettings(seed=job.seed, epochs=epochs)
    return Trainer(task, settings, samples, policy=policy, channel=channel)


def _build(task: Task, job: Job) -> Build | None:
    """Return the function that builds the network of a static arm; None for the host of the task."""
    if job.twin is None:
        return None
    match job.arm:
        case _ if job.arm in (START, START_EQUAL_COST, START_REJUVENATED):
            return with_fossils(task, job.twin.modal)
        case _ if job.arm == WIDER:
            return wider(task, job.twin.num_params)
        case _ if job.arm == DEEPER:
            return deeper(task, job.twin.num_params)
        case _:
            return None


def _epochs_of_equal_cost(task: Task, job: Job, samples: tuple[Samples, ...]) -> int:
    """Return for how many epochs the network can be trained for the FLOPs of the grown one, rounded to whole epochs."""
    assert job.twin is not None
    cost = _trainer(task, job, 1, samples).cost
    return max(1, round(job.twin.flops / cost.epoch_flops))
