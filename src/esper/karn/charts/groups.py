"""Groups runs that differ only in their seed, and computes the mean of a group with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Final

from esper._generated.run import LoopStartedPayload
from esper.karn.charts.rows import MAX_NAME
from esper.karn.series import Axis, Series
from esper.karn.story import RunStory
from esper.leyline.student import student_quantile
from esper.leyline.text import printable

CONFIDENCE: Final = 0.95
_SEED_KEYS: Final = ("seed", "run_seed", "random_seed")
_MAX_KEYS = 3
_LARGE: Final = 1e150


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGroup:
    """Runs of one configuration, which differ at most in their seed."""

    label: str
    """Its number, from 1, and the settings by which it differs from the other groups, or else the id of its first run."""
    stories: tuple[RunStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean of runs, with Student's interval of 95 %."""

    mean: float
    half_width: float | None
    """None for fewer than two values."""
    num: int

    @property
    def low(self) -> float:
        """Lower end; the mean itself if there is one value."""
        return self.mean - (self.half_width or 0.0)

    @property
    def high(self) -> float:
        """Upper end; the mean itself if there is one value."""
        return self.mean + (self.half_width or 0.0)


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of `values`, of which there is at least one, and Student's interval of the mean of their distribution."""
    num = len(values)
    half = None
    # The sum of diverged losses may exceed the largest number, and so may their squares.
    largest = max(map(abs, values))
    scale = largest if _LARGE < largest < inf else 1.0
    scaled = [value / scale for value in values]
    if num > 1:
        half = student_quantile((1 - CONFIDENCE) / 2, num - 1) * stdev(scaled) / sqrt(num) * scale
    return Interval(mean=fmean(scaled) * scale, half_width=half, num=num)


def configuration(story: RunStory) -> dict[str, str]:
    """Return the configuration of a run by name: that of its provenance, and what the start of the run says."""
    config = {} if story.provenance is None else dict(story.provenance.config or {})
    started = story.started
    if started is not None:
        known = {
            # The task of an own loop is the name of its run: if it is its id, too, it does not say what the run does.
            "task": None if is_named_by_id(story) else started.task,
            "epochs": started.epochs,
            "device": started.device,
            "seed": started.seed,
        }
        for name, value in known.items():
            if value is not None:
                config.setdefault(name, str(value))
        if started.num_host_params is not None:
            config.setdefault("host parameters", str(started.num_host_params))
    return config


def is_named_by_id(story: RunStory) -> bool:
    """Return whether a run of the user's own loop has its id as the name of its task, since it was given no other."""
    started = story.started
    return isinstance(started, LoopStartedPayload) and started.task == story.run_id


def choose_curve(
    curves: Sequence[Mapping[str, Series]], own: str
) -> tuple[str, tuple[Series | None, ...]]:
    """Return the curve by which runs are compared: its name, and that of each run, if it has one over the same axis.

    `curves` are those of each run. It is `own`, that of Esper's own loop, if a run has it, or else the one that most runs have.
    """
    counts = Counter((key, curve.axis) for one in curves for key, curve in one.items())
    none: tuple[str, Axis] = own, "epoch"
    key, axis = max(counts, key=lambda one: (one[0] == own, counts[one]), default=none)
    found = (one.get(key) for one in curves)
    return key, tuple(one if one is not None and one.axis == axis else None for one in found)


def choose_losses(stories: Sequence[RunStory]) -> tuple[str, tuple[float | None, ...]]:
    """Return the loss by which runs are compared: its name, and its newest finite value in each run."""
    name, curves = choose_curve([story.losses for story in stories], "val_loss")
    newest = (
        None if one is None else next(filter(_is_known, reversed(one.y)), None) for one in curves
    )
    return name, tuple(newest)


def _is_known(value: float | None) -> bool:
    return value is not None


def is_seed(name: str) -> bool:
    """Return whether a setting is the seed of random number generators."""
    return name.rpartition(".")[2] in _SEED_KEYS


def differing_settings(stories: Sequence[RunStory]) -> tuple[str, ...]:
    """Return the names of the settings that are not the same in all runs, in order; the seed is among them."""
    configs = [configuration(story) for story in stories]
    names = dict.fromkeys(name for config in configs for name in config)
    return tuple(name for name in names if len({config.get(name) for config in configs}) > 1)


def group_runs(stories: Sequence[RunStory]) -> tuple[RunGroup, ...]:
    """Return the runs in groups of one configuration, in the order of their first runs.

    Runs whose log has no configuration at all are groups of their own: nobody knows whether they are alike.
    """
    groups: dict[tuple[tuple[str, str], ...] | int, list[RunStory]] = {}
    for number, story in enumerate(stories):
        config = configuration(story)
        items = tuple(sorted((name, value) for name, value in config.items() if not is_seed(name)))
        groups.setdefault(items or number, []).append(story)
    names = [name for name in differing_settings(stories) if not is_seed(name)]
    labels = []
    for number, members in enumerate(groups.values(), 1):
        label = _label(configuration(members[0]), names) or printable(members[0].run_id, MAX_NAME)
        labels.append(f"{number}: {label}" if len(groups) > 1 else label)
    return tuple(
        RunGroup(label=label, stories=tuple(members))
        for label, members in zip(labels, groups.values(), strict=True)
    )


def _label(config: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the first settings that differ and that the run has, and how many more there are."""
    known = [name for name in names if name in config]
    shown = [f"{printable(name, 24)} {printable(config[name], 24)}" for name in known[:_MAX_KEYS]]
    more = [f"{len(known) - _MAX_KEYS} more"] if len(known) > _MAX_KEYS else []
    return ", ".join(shown + more)
