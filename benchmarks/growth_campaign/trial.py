"""One run of the campaign: one task, one arm, one seed, and its outcome."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import msgspec

from esper.leyline.policy import GrowthPolicy
from esper.tolaria.tasks.registry import get_task
from esper.tolaria.tasks.task import Samples, Task, load_samples
from esper.tolaria.training.growth import fossils
from esper.tolaria.training.run_settings import RunSettings
from esper.tolaria.training.trainer import Trainer
from growth_campaign.arms import (
    DEEPER,
    EQUAL_COST,
    SEEDLESS,
    START,
    START_EQUAL_COST,
    WIDER,
)
from growth_campaign.cost import CostMeter, inference_flops
from growth_campaign.networks import Build, deeper, wider, with_fossils
from growth_campaign.policies import policy_for

Split = Literal["decision", "test"]


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """The grown network of the same task and seed, from which other arms copy."""

    fossils: tuple[tuple[str, str], ...]
    """The id of each slot that holds a fossil, and the fossil's blueprint."""
    num_params: int
    flops: float
    """FLOPs of its training."""


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
    inference_flops: float
    epochs: int
    """Epochs trained."""
    completed: bool
    """False where the governor stopped the run."""
    fossils: tuple[tuple[str, str], ...]


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
    policy = None if job.arm in SEEDLESS else policy_for(job.arm, task, job.seed, job.twin)
    trainer, meter = _trainer(task, job.seed, epochs, samples, policy)
    with meter:
        outcome = trainer.fit()
    scores = trainer.test() if job.split == "test" else trainer.validate()
    return Outcome(
        quality=scores.loss / math.log(2) if is_text(job.task) else scores.accuracy,
        loss=scores.loss,
        num_params=trainer.num_params,
        updates=meter.updates,
        flops=meter.flops,
        seconds=meter.seconds,
        inference_flops=inference_flops(trainer.model, samples[0]),
        epochs=trainer.epochs_completed,
        completed=outcome.name == "COMPLETED",
        fossils=tuple(
            (name, trainer.slots[name].blueprint_id) for name in sorted(fossils(trainer.slots))
        ),
    )


def _trainer(
    task: Task,
    seed: int,
    epochs: int,
    samples: tuple[Samples, ...],
    policy: GrowthPolicy | None,
) -> tuple[Trainer, CostMeter]:
    trainer = Trainer(task, RunSettings(seed=seed, epochs=epochs), samples, policy=policy)
    return trainer, CostMeter(trainer, task, samples[0])


def _build(task: Task, job: Job) -> Build | None:
    """Return the function that builds the network of a static arm; None for the host of the task."""
    if job.twin is None:
        return None
    match job.arm:
        case _ if job.arm in (START, START_EQUAL_COST):
            return with_fossils(task, job.twin.fossils)
        case _ if job.arm == WIDER:
            return wider(task, job.twin.num_params)
        case _ if job.arm == DEEPER:
            return deeper(task, job.twin.num_params)
        case _:
            return None


def _epochs_of_equal_cost(task: Task, job: Job, samples: tuple[Samples, ...]) -> int:
    """Return for how many epochs the network can be trained for the FLOPs of the grown one, rounded to whole epochs."""
    assert job.twin is not None
    _, meter = _trainer(task, job.seed, 1, samples, None)
    steps = -(-len(samples[0]) // task.batch_size)
    return max(1, round(job.twin.flops / (steps * meter.step_flops)))
