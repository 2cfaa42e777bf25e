"""Rules about the curve of the losses: over-fitting, divergence, plateau, and losses that still fall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from esper._generated.enums import RunOutcome
from esper.karn.charts.groups import choose_curve
from esper.karn.charts.rows import MAX_NAME, NOT_IN_LOG, points_of
from esper.karn.explain.curve import EpochLoss, is_number, losses_of, newest, noise_of
from esper.karn.explain.finding import Finding, Value, problem, refs
from esper.karn.explain.thresholds import THRESHOLDS as T
from esper.karn.story import RunStory
from esper.leyline.text import pluralize, printable


def judge_training(story: RunStory) -> Iterator[Finding]:
    """Yield the best epoch, and what the curve of the decision loss says after it."""
    points = losses_of(story)
    yield from _judge_last(story)
    if not points:
        if story.epochs:
            yield Finding(
                kind="happened",
                rule="losses",
                text=f"The decision loss of its epochs: {NOT_IN_LOG}.",
            )
        else:
            yield from _describe_logged(story)
        return
    best = min(points, key=lambda one: one.val)
    yield _describe_best(points, best)
    if len(points) < T.min_epochs:
        return
    for rule in (_diverged, _overfitted, _did_not_fall):
        found = list(rule(story, points, best))
        if found:
            yield from found
            return
    yield from _judge_end(story, points, best)


def _describe_logged(story: RunStory) -> Iterator[Finding]:
    """Yield how the loss went that a training loop without epochs logged."""
    name, curves = choose_curve([story.losses], "val_loss")
    curve = curves[0]
    points = [] if curve is None else list(points_of(curve))
    if curve is None or curve.low is None or not points:
        return
    (first, start), (last, end) = points[0], points[-1]
    lost = (
        f"; {pluralize(curve.num_nonfinite, 'value')} NaN or infinite"
        if curve.num_nonfinite
        else ""
    )
    yield Finding(
        kind="happened",
        rule="logged_loss",
        text=f"The logged {printable(name, MAX_NAME)} went from {start:.4g} at {curve.axis} {first:,} to {end:.4g} at"
        f" {curve.axis} {last:,}; the lowest is {curve.low:.4g}{lost}.",
        numbers={"first_loss": start, "last_loss": end, "best_loss": curve.low},
        events=refs(*story.headers[:1], story.end),
    )


def _describe_best(points: Sequence[EpochLoss], best: EpochLoss) -> Finding:
    first, last = points[0], points[-1]
    text = (
        f"The decision loss (on the validation samples) went from {first.val:.4g} in epoch {first.epoch} to"
        f" {last.val:.4g} in epoch {last.epoch}; the best is {best.val:.4g}, of epoch {best.epoch}."
    )
    numbers: dict[str, Value] = {
        "first_loss": first.val,
        "last_loss": last.val,
        "best_loss": best.val,
        "best_epoch": best.epoch,
    }
    events = refs(first.event, best.event, last.event)
    return Finding(kind="happened", rule="best_epoch", text=text, numbers=numbers, events=events)


def _judge_last(story: RunStory) -> Iterator[Finding]:
    """Yield that the newest epoch's losses are NaN or infinite."""
    if not story.epochs:
        return
    event = story.epochs[-1]
    losses = {
        name: value
        for name, value in (
            ("train_loss", event.payload.train_loss),
            ("val_loss", event.payload.val_loss),
        )
        if value is not None and not is_number(value)
    }
    if losses:
        shown = " and ".join(f"{name} {value}" for name, value in losses.items())
        yield from problem(
            "loss_not_finite",
            f"The newest epoch, {event.epoch}, has {shown}: the network computes no finite loss any more.",
            "Lower the learning rate, and let the governor act in every step so that it can roll back; threshold: one epoch"
            " at the end without a finite loss.",
            numbers={"epoch": event.epoch, **losses},
            events=refs(event),
        )


def _diverged(story: RunStory, points: Sequence[EpochLoss], best: EpochLoss) -> Iterator[Finding]:
    last, trained = newest([one.val for one in points]), _train_after(points, best)
    if (
        best.val <= 0
        or last <= T.divergence * best.val
        or trained is None
        or trained[1] <= trained[0]
    ):
        return
    yield from problem(
        "divergence",
        f"Training diverged: the decision loss is {last:.4g}, {last / best.val:.1f} times its best, {best.val:.4g} in epoch"
        f" {best.epoch}, and the training loss rose, too, from {trained[0]:.4g} to {trained[1]:.4g}.",
        f"Lower the learning rate{_rate(story)}; threshold: median of the last three epochs above {T.divergence:g} times the"
        " best.",
        numbers={
            "last_loss": last,
            "best_loss": best.val,
            "best_epoch": best.epoch,
            "threshold": T.divergence,
        },
        events=refs(best.event, *(one.event for one in points[-3:])),
    )


def _overfitted(story: RunStory, points: Sequence[EpochLoss], best: EpochLoss) -> Iterator[Finding]:
    values = [one.val for one in points]
    last, trained = newest(values), _train_after(points, best)
    rise = last - best.val
    is_long = points[-1].epoch - best.epoch >= T.overfit_epochs
    is_high = rise >= max(T.overfit_rise * abs(best.val), T.noise_factor * noise_of(values))
    if not is_long or not is_high or trained is None or trained[1] >= trained[0]:
        return
    yield from problem(
        "overfitting",
        f"The network over-fits: since epoch {best.epoch} the decision loss rose from {best.val:.4g} to {last:.4g}"
        f" ({100 * rise / max(abs(best.val), 1e-12):+.1f} %) while the training loss fell from {trained[0]:.4g} to"
        f" {trained[1]:.4g}.",
        f"Train {best.epoch} epochs, or add regularization or data; threshold: a rise of {100 * T.overfit_rise:g} % and of"
        f" {T.noise_factor:g} times the noise between epochs ({noise_of(values):.2g}), {T.overfit_epochs} epochs after the best"
        " one or later.",
        numbers={
            "best_epoch": best.epoch,
            "best_loss": best.val,
            "last_loss": last,
            "train_loss_at_best": trained[0],
            "train_loss": trained[1],
            "noise": noise_of(values),
            "threshold": T.overfit_rise,
        },
        events=refs(best.event, *(one.event for one in points[-3:])),
    )


def _did_not_fall(
    story: RunStory, points: Sequence[EpochLoss], best: EpochLoss
) -> Iterator[Finding]:
    first = points[0].val
    if first - best.val > T.plateau_fall * abs(first):
        return
    yield from problem(
        "no_learning",
        f"The decision loss never fell: {first:.4g} in epoch {points[0].epoch}, {best.val:.4g} at best.",
        f"Check the learning rate{_rate(story)}, the labels and that the parameters are given to the optimizer; threshold: a fall"
        f" of {100 * T.plateau_fall:g} % in {len(points)} epochs.",
        numbers={"first_loss": first, "best_loss": best.val, "threshold": T.plateau_fall},
        events=refs(points[0].event, best.event),
    )


def _judge_end(story: RunStory, points: Sequence[EpochLoss], best: EpochLoss) -> Iterator[Finding]:
    """Yield whether the losses still fall at the end, or have long stopped falling; of a run that has ended."""
    if story.outcome is not RunOutcome.COMPLETED:
        return
    num_last = max(round(T.plateau_share * len(points)), 2)
    before = min(points[:-num_last], key=lambda one: one.val)
    in_last = min(points[-num_last:], key=lambda one: one.val)
    fall = (before.val - in_last.val) / max(abs(before.val), 1e-12)
    numbers: dict[str, Value] = {
        "num_last_epochs": num_last,
        "best_before": before.val,
        "best_in_last": in_last.val,
        "fall": fall,
    }
    events = refs(before.event, in_last.event)
    if fall < -T.ended_above:
        yield from problem(
            "ended_above_best",
            f"The run ended worse than it had been: the best decision loss of the last {num_last} epochs is {in_last.val:.4g},"
            f" that of the epochs before {before.val:.4g}, in epoch {before.epoch}.",
            f"Look at what happened after epoch {before.epoch}, such as a rollback or a rejuvenation, and lower the learning rate"
            f"{_rate(story)} if nothing did; threshold: a rise of {100 * T.ended_above:g} %.",
            numbers=numbers | {"threshold": T.ended_above},
            events=events,
        )
        return
    if fall < T.plateau_fall:
        text = (
            f"The decision loss reached a plateau: in the last {num_last} epochs its best is {in_last.val:.4g}, before them"
            f" {before.val:.4g} in epoch {before.epoch}."
        )
        advice = (
            f"Train fewer epochs: {before.epoch} give about the same loss; threshold: a fall below {100 * T.plateau_fall:g} % in"
            f" the last quarter ({_change(fall)} here)."
        )
        rule = "plateau"
    elif fall >= T.falling and in_last is best:
        text = f"The decision loss still fell at the end: by {100 * fall:.1f} % in the last {num_last} epochs."
        advice = f"Train longer than {points[-1].epoch} epochs; threshold: a fall of {100 * T.falling:g} % in the last quarter."
        rule = "still_falling"
    else:
        return
    yield Finding(kind="happened", rule=rule, text=text, numbers=numbers, events=events)
    yield Finding(kind="try", rule=rule, text=advice, numbers=numbers, events=events)


def _change(fall: float) -> str:
    """Return the fall of a loss as text; a rise has its own word."""
    return f"a rise of {-100 * fall:.1f} %" if fall < 0 else f"{100 * fall:.1f} %"


def _train_after(points: Sequence[EpochLoss], best: EpochLoss) -> tuple[float, float] | None:
    """Return the training loss in the best epoch and at the end; None if the log lacks one."""
    known = [one.train for one in points if one.train is not None]
    if best.train is None or not known:
        return None
    return best.train, newest(known)


def _rate(story: RunStory) -> str:
    curve = story.learning_rates.get("learning_rate")
    return "" if curve is None or curve.high is None else f" (at most {curve.high:.3g} in this run)"
