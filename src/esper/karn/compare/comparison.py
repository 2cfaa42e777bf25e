"""Compares runs: what differs between them, and groups of runs that differ only in their seed with mean and interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from esper._generated.enums import RunOutcome, SeedStage
from esper.karn.charts.groups import (
    RunGroup,
    choose_losses,
    configuration,
    differing_settings,
    group_runs,
    is_seed,
    mean_interval,
)
from esper.karn.charts.rows import MAX_NAME, name_runs
from esper.karn.compare.parting import Parting, find_partings
from esper.karn.story import RunStory
from esper.leyline.text import printable

_VERSIONS = (
    "python_version",
    "contract_version",
    "platform",
    "processor",
    "num_cpus",
    "num_threads",
    "accelerators",
    "git_commit",
    "is_git_dirty",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over the runs of a group, with Student's interval of 95 %."""

    mean: float
    half_width: float | None
    """Half the width of the interval; None for fewer than two values."""
    num: int
    """Runs that have the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSeed:
    """A seed and its end."""

    env_id: int
    slot_id: str
    number: int
    """Position among the seeds of the slot, from 1."""
    blueprint_id: str | None
    num_params: int | None
    stage: SeedStage
    epoch: int | None
    """Epoch in which it entered this stage."""
    reason: str | None
    """Why it was removed."""
    low: float | None
    """Lower end of the interval by which it lowers the loss, in nats; None when not measured."""
    high: float | None
    """Upper end of that interval."""
    price: float | None
    """Price of its parameters, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """The values of one run that are compared; None where the log lacks one."""

    run: str
    folder: str
    group: int
    """Number of its group, from 1."""
    seed: int | None
    """Seed of its random number generators."""
    state: str
    """ended, running, died or unknown."""
    outcome: RunOutcome | None
    epochs_completed: int
    quality: float | None
    """Test accuracy, or else the newest validation accuracy, in percent."""
    host_quality: float | None
    """That of the host alone."""
    best_val_loss: float | None
    best_epoch: int | None
    """Epoch of the best decision loss."""
    newest_loss: float | None
    """Newest value of the loss by which the runs are compared, `loss_name`."""
    num_params: int | None
    params_added: int | None
    duration_s: float | None
    num_steps: int | None
    """The latest step that the log names."""
    num_updates: int | None
    """Parameters that got a gradient, summed over the optimizer steps."""
    num_flops: float | None
    """Floating-point operations of the training."""
    num_kept: int
    num_removed: int
    num_rollbacks: int
    num_cleared: int
    num_skipped_steps: int
    seeds: tuple[ComparedSeed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedGroup:
    """Runs of one configuration, which differ at most in their seed."""

    label: str
    runs: tuple[str, ...]
    quality: Mean | None
    gain: Mean | None
    """Quality above that of the host alone, in percentage points."""
    best_val_loss: Mean | None
    newest_loss: Mean | None
    num_params: Mean | None
    num_flops: Mean | None
    duration_s: Mean | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A setting or version that is not the same in all runs."""

    name: str
    values: tuple[str | None, ...]
    """Its value in each run, in their order; None where the log lacks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences between runs. Texts are printable."""

    loss_name: str
    """The loss by which they are compared: val_loss, or else the one that most of them logged."""
    runs: tuple[ComparedRun, ...]
    groups: tuple[ComparedGroup, ...]
    configuration: tuple[Difference, ...]
    """The settings that differ; seeds are among them."""
    num_same_settings: int
    versions: tuple[Difference, ...]
    """Versions, machine, commit and data that differ."""
    partings: tuple[Parting, ...]
    """Where the losses of each further run part from those of the first."""


def compare(stories: Sequence[RunStory]) -> Comparison:
    """Return the differences between two runs or more."""
    names = name_runs(stories)
    groups = group_runs(stories)
    members = {
        id(story): number for number, group in enumerate(groups, 1) for story in group.stories
    }
    configs = [configuration(story) for story in stories]
    settings = {name for config in configs for name in config}
    differing = differing_settings(stories)
    loss_name, losses = choose_losses(stories)
    runs = tuple(
        _run(story, name, members[id(story)], loss)
        for name, story, loss in zip(names, stories, losses, strict=True)
    )
    by_story = {id(story): run for story, run in zip(stories, runs, strict=True)}
    return Comparison(
        loss_name=printable(loss_name, MAX_NAME),
        runs=runs,
        groups=tuple(
            _group(group, [by_story[id(one)] for one in group.stories]) for group in groups
        ),
        configuration=tuple(
            Difference(
                name=printable(name, 100), values=tuple(_text(one.get(name)) for one in configs)
            )
            for name in differing
        ),
        num_same_settings=len(settings) - len(differing),
        versions=tuple(_versions(stories)),
        partings=tuple(find_partings(stories, names)),
    )


def other_settings(comparison: Comparison) -> tuple[Difference, ...]:
    """Return the settings that differ, without seeds."""
    return tuple(one for one in comparison.configuration if not is_seed(one.name))


def _text(value: object) -> str | None:
    return None if value is None else printable(str(value))


def _run(story: RunStory, name: str, group: int, loss: float | None) -> ComparedRun:
    finished, val_loss = story.finished, story.losses.get("val_loss")
    best = None if val_loss is None else val_loss.low
    place = None
    if val_loss is not None and best is not None:
        place = val_loss.x[val_loss.y.index(best)]
    return ComparedRun(
        run=name,
        folder=printable(str(story.folder), 4096),
        group=group,
        seed=None if story.started is None else story.started.seed,
        state=story.state,
        outcome=story.outcome,
        epochs_completed=story.epochs_completed,
        quality=story.quality,
        host_quality=story.host_quality,
        best_val_loss=best,
        best_epoch=place,
        newest_loss=loss,
        num_params=story.num_params,
        params_added=story.params_added,
        duration_s=story.progress.seconds if finished is None else finished.duration_s,
        num_steps=_num_steps(story),
        num_updates=story.num_updates,
        num_flops=story.num_flops,
        num_kept=story.count_seeds(SeedStage.FOSSILIZED),
        num_removed=story.count_seeds(SeedStage.PRUNED),
        num_rollbacks=story.num_rollbacks,
        num_cleared=story.num_cleared,
        num_skipped_steps=story.num_skipped_steps,
        seeds=tuple(_seeds(story)),
    )


def _num_steps(story: RunStory) -> int | None:
    steps = [story.metrics.last_step]
    steps += [event.payload.step for event in story.governor.snapshots[-1:]]
    return max((step for step in steps if step is not None), default=None)


def _seeds(story: RunStory) -> list[ComparedSeed]:
    found = []
    for slot in story.slots:
        for seed in slot.seeds:
            # Single fields of an evidence may be missing.
            evidence: Any = seed.evidence
            last = seed.end or (seed.steps[-1] if seed.steps else None)
            found.append(
                ComparedSeed(
                    env_id=slot.env_id,
                    slot_id=printable(slot.slot_id, MAX_NAME),
                    number=seed.number,
                    blueprint_id=_text(seed.blueprint_id),
                    num_params=seed.num_params,
                    stage=SeedStage.UNKNOWN if last is None else last.stage,
                    epoch=None if last is None else last.epoch,
                    reason=None if last is None else _text(last.reason),
                    low=None if evidence is None else evidence.low,
                    high=None if evidence is None else evidence.high,
                    price=None if evidence is None else evidence.price,
                )
            )
    return found


def _group(group: RunGroup, runs: Sequence[ComparedRun]) -> ComparedGroup:
    def gain(run: ComparedRun) -> float | None:
        missing = run.quality is None or run.host_quality is None
        return None if missing else run.quality - run.host_quality  # type: ignore[operator]  # both are known

    def mean(value: Callable[[ComparedRun], float | None]) -> Mean | None:
        known = [one for one in map(value, runs) if one is not None]
        if not known:
            return None
        interval = mean_interval(known)
        return Mean(mean=interval.mean, half_width=interval.half_width, num=interval.num)

    return ComparedGroup(
        label=group.label,
        runs=tuple(run.run for run in runs),
        quality=mean(lambda run: run.quality),
        gain=mean(gain),
        best_val_loss=mean(lambda run: run.best_val_loss),
        newest_loss=mean(lambda run: run.newest_loss),
        num_params=mean(lambda run: run.num_params),
        num_flops=mean(lambda run: run.num_flops),
        duration_s=mean(lambda run: run.duration_s),
    )


def _versions(stories: Sequence[RunStory]) -> list[Difference]:
    values = [_version_values(story) for story in stories]
    names = dict.fromkeys(name for one in values for name in one)
    return [
        Difference(name=printable(name, 100), values=tuple(one.get(name) for one in values))
        for name in names
        if len({one.get(name) for one in values}) > 1
    ]


def _version_values(story: RunStory) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    if story.started is not None:
        found["esper_version"] = _text(story.started.esper_version)
        found["torch_version"] = _text(story.started.torch_version)
    provenance = story.provenance
    if provenance is not None:
        for name in _VERSIONS:
            value: Any = getattr(provenance, name)
            found[name] = _text(", ".join(value) if isinstance(value, tuple) else value)
        for name, digest in (provenance.data_hashes or {}).items():
            found[f"data {name}"] = _text(digest)
    return found
