"""Rules about growing: the result against the host alone, each seed, its gates and gradients, rejuvenations, and parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import sqrt

from esper._generated.enums import Gate, GateCheck, SeedStage
from esper._generated.run import RunStartedPayload
from esper.karn.charts.rows import NOT_IN_LOG, SlotRow, name_seed, slots_of
from esper.karn.explain.finding import Finding, Value, problem, refs, seed_refs
from esper.karn.explain.thresholds import THRESHOLDS as T
from esper.karn.report.sentences import describe_seed, show_name
from esper.karn.seed_story import GateStory, SeedStory
from esper.karn.story import RunStory
from esper.leyline.evidence import describe_rejuvenation
from esper.leyline.text import pluralize, printable_message

_MAX_SEEDS = 40
"""Seeds that get a sentence of their own; of more, the first and the newest."""
_REMEDIES = {
    GateCheck.EPOCHS_IN_STAGE: "train longer, so that the seed stays long enough in the stage",
    GateCheck.IMPROVEMENT: "try another blueprint or slot, since the seed does not lower the loss",
    GateCheck.CONTRIBUTION: "try another blueprint or slot, since the network does not need the seed",
    GateCheck.CONTRIBUTION_MEASURED: "use more validation samples, or wait, so that the comparison decides",
    GateCheck.GRADIENT_RATIO: "raise the learning rate of seeds, whose gradient is too small beside the host's",
    GateCheck.ALPHA_REACHED: "train longer, so that blending in can end",
}


def judge_growth(story: RunStory) -> Iterator[Finding]:
    """Yield what became of each seed, and what the results, gates and gradients say about growing."""
    yield from _judge_result(story)
    yield from _describe_size(story)
    rows = [(row, seed) for row in slots_of((story,)) for seed in row.slot.seeds]
    half = _MAX_SEEDS // 2
    told = rows if len(rows) <= _MAX_SEEDS else [*rows[:half], *rows[-half:]]
    for row, seed in told:
        yield _describe(row, seed)
    if len(told) < len(rows):
        text = f"{pluralize(len(rows) - len(told), 'more seed')} in between are not described here; esper query has all."
        numbers: dict[str, Value] = {"num_seeds": len(rows), "num_described": len(told)}
        seeds = (seed for _, seed in rows[half:-half])
        events = refs(*(step for seed in seeds for step in seed.steps[:1]))
        yield Finding(kind="happened", rule="seed", text=text, numbers=numbers, events=events)
    yield from _describe_rejuvenations(story)
    yield from _judge_removed([seed for _, seed in rows])
    for row, seed in rows:
        yield from _judge_kept(row, seed)
        yield from _judge_gates(row, seed)
        yield from _judge_gradient(row, seed)
    yield from _judge_open(story, rows)


def _judge_result(story: RunStory) -> Iterator[Finding]:
    """Yield that the grown network is worse than the host alone by more than chance."""
    on_test = story.test_accuracy is not None
    grown, host = story.quality, story.host_quality
    count = story.num_test if on_test else _num_validation(story)
    if grown is None or host is None or not count or story.end is None:
        return
    share = min(max(host / 100, 0.0), 1.0)
    margin = 1.96 * 100 * sqrt(2 * share * (1 - share) / count)
    if host - grown <= margin:
        if 0 < abs(host - grown) <= margin:
            yield Finding(
                kind="happened",
                rule="within_chance",
                text=f"A difference of {abs(grown - host):.2f} percentage points from the host alone is within chance: 1.96"
                f" standard errors of {count:,} samples are {margin:.2f} points.",
                numbers={"grown": grown, "host": host, "num_samples": count, "threshold": margin},
                events=refs(story.end, *story.headers[:1]),
            )
        return
    yield from problem(
        "worse_than_host",
        f"The grown network is worse than the host alone: {grown:.2f} % against {host:.2f} %.",
        "Use the host alone (esper train --policy none), or other seeds; threshold: a difference above 1.96 standard errors of"
        f" {count:,} samples, {margin:.2f} percentage points.",
        numbers={"grown": grown, "host": host, "num_samples": count, "threshold": margin},
        events=refs(story.end, *story.headers[:1]),
    )


def _num_validation(story: RunStory) -> int | None:
    started = story.started
    return started.num_validation if isinstance(started, RunStartedPayload) else None


def _describe_size(story: RunStory) -> Iterator[Finding]:
    added, host = story.params_added, story.num_host_params
    if story.num_params is None or (not story.slots and added is None):
        return
    text = f"The network has {story.num_params:,} parameters"
    share = None if added is None or not host else added / host
    if added == 0:
        text += ", as many as the host: growing added none"
    elif added is not None:
        text += f", {added:,} of them by growing"
        text += "" if share is None else f": {100 * share:.1f} % more than the host"
    known = {} if story.provenance is None else story.provenance.config
    limits = sorted(name for name in known or {} if "budget" in name)
    # The settings of a policy are in the log only if the program adds them to the configuration.
    budget = ", ".join(f"{name[:48]} {known[name][:24]}" for name in limits[:5])
    text += f"; its budget: {budget}." if budget else "."
    numbers: dict[str, Value] = {
        "num_params": story.num_params,
        "params_added": added,
        "share_of_host": share,
    }
    events = refs(story.end or (story.epochs[-1] if story.epochs else None), *story.headers[:1])
    yield Finding(
        kind="happened",
        rule="parameters",
        text=printable_message(text),
        numbers=numbers,
        events=events,
    )


def _describe(row: SlotRow, seed: SeedStory) -> Finding:
    evidence = seed.evidence or (seed.evidences[-1].evidence if seed.evidences else None)
    numbers: dict[str, Value] = {"num_params": seed.num_params}
    if evidence is not None:
        numbers |= {
            name: getattr(evidence, name) for name in ("difference", "low", "high", "price", "look")
        }
    return Finding(
        kind="happened",
        rule="seed",
        text=f"Seed {_label(row, seed)}: {' '.join(describe_seed(seed))}",
        numbers=numbers,
        events=seed_refs(seed),
    )


def _describe_rejuvenations(story: RunStory) -> Iterator[Finding]:
    for event in story.rejuvenations:
        if any(value is None for value in (event.payload.shrink, event.payload.perturb)):
            text = f"A rejuvenation whose weights are {NOT_IN_LOG}."
        else:
            try:
                text = f"A rejuvenation after epoch {event.payload.after_epoch} was {describe_rejuvenation(event.payload)}."
            except TypeError:
                # A field of its evidence is missing.
                text = f"A rejuvenation after epoch {event.payload.after_epoch}; parts of its evidence: {NOT_IN_LOG}."
        numbers: dict[str, Value] = {
            "after_epoch": event.payload.after_epoch,
            "is_kept": event.payload.is_kept,
        }
        yield Finding(
            kind="happened", rule="rejuvenation", text=text, numbers=numbers, events=refs(event)
        )


def _judge_removed(seeds: list[SeedStory]) -> Iterator[Finding]:
    removed = [seed for seed in seeds if seed.has_been(SeedStage.PRUNED)]
    kept = [seed for seed in seeds if seed.has_been(SeedStage.FOSSILIZED)]
    if len(removed) < T.seeds_removed or kept:
        return
    yield from problem(
        "no_seed_kept",
        f"{len(removed)} seeds were removed and not one was kept.",
        "Train the host alone (esper train --policy none) and compare, or plant other blueprints; threshold:"
        f" {T.seeds_removed} seeds removed with none kept.",
        numbers={
            "num_removed": len(removed),
            "num_kept": 0,
            "threshold": T.seeds_removed,
        },
        events=refs(*(seed.end for seed in removed)),
    )


def _judge_kept(row: SlotRow, seed: SeedStory) -> Iterator[Finding]:
    """Yield that a seed was kept although its evidence does not say that it pays."""
    evidence = seed.evidence
    if not seed.has_been(SeedStage.FOSSILIZED) or evidence is None:
        return
    low, price = evidence.low, evidence.price
    if low is None or price is None or low > price:
        return
    yield from problem(
        "kept_without_evidence",
        f"Seed {_label(row, seed)} was kept although its interval does not lie below minus its price: it lowers the loss by"
        f" {low:.2g} nats at least, and its price is {price:.2g} nats.",
        "Keep seeds by evidence (esper train --policy evidence); threshold: the whole interval must exceed the price.",
        numbers={"low": low, "price": price},
        events=refs(seed.end, *seed.evidences[-1:]),
    )


def _judge_gates(row: SlotRow, seed: SeedStory) -> Iterator[Finding]:
    gates: dict[Gate, list[GateStory]] = {}
    for check in seed.gates:
        if check.gate is not None and check.passed is not None:
            gates.setdefault(check.gate, []).append(check)
    for gate, checks in gates.items():
        if len(checks) < T.gate_checks or any(check.passed for check in checks):
            continue
        reasons = Counter(reason for check in checks for reason in check.checks_failed)
        frequent = reasons.most_common(1)
        name, count = frequent[0] if frequent else (None, 0)
        reason = f"; most often {show_name(name)} failed, {count} times" if name else ""
        remedy = _REMEDIES.get(name) if name else None
        advice = (
            None
            if remedy is None
            else f"{remedy[0].upper()}{remedy[1:]}; threshold: {T.gate_checks} checks by one gate, all failed."
        )
        yield from problem(
            "gate_never_passed",
            f"Seed {_label(row, seed)} never passed gate {gate.name} in {len(checks)} checks{reason}.",
            advice,
            numbers={
                "num_checks": len(checks),
                "num_failed": count,
                "threshold": T.gate_checks,
            },
            events=refs(*checks),
        )


def _judge_gradient(row: SlotRow, seed: SeedStory) -> Iterator[Finding]:
    flaws = (
        ("exploding", seed.num_exploding, 1, "Lower the learning rate of seeds"),
        (
            "vanishing",
            seed.num_vanishing,
            T.vanishing,
            "Try a blueprint with a shortcut or a normalization",
        ),
    )
    for name, count, threshold, advice in flaws:
        if count >= threshold:
            times = pluralize(count, "measurement")
            yield from problem(
                f"{name}_gradient",
                f"The gradient of seed {_label(row, seed)} was {name} in {times}.",
                f"{advice}; threshold: {pluralize(threshold, 'measurement')}.",
                numbers={"num_measurements": count, "threshold": threshold},
                events=refs(*seed.steps),
            )


def _judge_open(story: RunStory, rows: list[tuple[SlotRow, SeedStory]]) -> Iterator[Finding]:
    """Yield the seeds on which nothing was decided by the end of the run."""
    waiting = [(row, seed) for row, seed in rows if seed.end is None and seed.steps]
    if story.end is None or not waiting:
        return
    names = ", ".join(_label(row, seed) for row, seed in waiting[:4])
    names += ", ..." if len(waiting) > 4 else ""
    yield from problem(
        "not_decided",
        f"The run ended before {pluralize(len(waiting), 'seed')} could be kept or removed: {names}.",
        "Train longer (esper train --resume RUN --epochs N), so that the evidence decides; threshold: one open seed at the end.",
        numbers={"num_open": len(waiting), "threshold": 1},
        events=refs(story.end, *(seed.steps[-1] for _, seed in waiting)),
    )


def _label(row: SlotRow, seed: SeedStory) -> str:
    return f"{name_seed(seed)} in slot {row.label}"
