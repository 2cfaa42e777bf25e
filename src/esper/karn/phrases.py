"""The sentences of a summary, without layout; what comes from the log is made printable."""

from __future__ import annotations

from collections.abc import Iterator

from esper._generated.enums import SeedStage
from esper._generated.governor import GovernorRollbackPayload
from esper.karn.story import RunStory, SeedStory, SlotStory, Step, Told
from esper.leyline.text import printable

_STAGES = {
    SeedStage.UNKNOWN: "unknown",
    SeedStage.DORMANT: "slot empty again",
    SeedStage.GERMINATED: "germinated",
    SeedStage.TRAINING: "training",
    SeedStage.BLENDING: "blending",
    SeedStage.HOLDING: "holding",
    SeedStage.FOSSILIZED: "fossilised",
    SeedStage.PRUNED: "pruned",
    SeedStage.EMBARGOED: "cooling down",
    SeedStage.RESETTING: "resetting",
}
_MAX_LISTED = 5
_MAX_LABEL = 16


def count(number: int, noun: str) -> str:
    """Return `1 panic`, `2 panics`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def describe_task(story: RunStory) -> str:
    """Say what was trained and for how long."""
    epochs = count(story.epochs_completed, "epoch")
    if story.epochs_planned is not None:
        epochs = f"{story.epochs_completed} of {count(story.epochs_planned, 'epoch')}"
    if story.started is not None:
        started = story.started
        what = f"{printable(started.task)}, seed {started.seed}, on {printable(started.device)}"
        epochs = f"{what}: {epochs}"
    if story.resumptions:
        epochs += f", resumed {count(len(story.resumptions), 'time')}"
    return epochs if story.finished is None else f"{epochs} in {story.finished.duration_s:.1f} s"


def describe_accuracy(story: RunStory) -> str:
    """Compare the grown network with the host alone."""
    grown, host = story.grown_accuracy, story.host_accuracy
    if grown is None:
        return "not measured"
    if host is None:
        return f"grown {grown:.2f} %, host alone not measured"
    return f"grown {grown:.2f} %, host alone {host:.2f} % ({grown - host:+.2f} pp)"


def describe_parameters(story: RunStory) -> str:
    """Say how much the network has grown."""
    grown, host, added = story.num_params, story.num_host_params, story.params_added
    if grown is None or host is None or added is None:
        return "not told"
    share = f", {100 * added / host:+.1f} %" if host else ""
    return f"grown {grown:,}, host alone {host:,} ({added:+,}{share})"


def describe_seeds(story: RunStory) -> str:
    """Count the seeds that went through the great changes of their life."""
    stages = (SeedStage.GERMINATED, SeedStage.FOSSILIZED, SeedStage.PRUNED)
    return ", ".join(f"{story.count_seeds(stage)} {_STAGES[stage]}" for stage in stages)


def describe_governor(story: RunStory) -> Iterator[str]:
    """Count what the governor did, then say what failed."""
    counts = [
        count(story.num_snapshots, "snapshot"),
        count(len(story.panics), "panic"),
        count(len(story.rollbacks), "rollback"),
    ]
    if story.num_skipped_steps:
        counts.append(count(story.num_skipped_steps, "skipped step"))
    yield ", ".join(counts)
    for failed in story.failed_snapshots[:_MAX_LISTED]:
        yield f"snapshot {failed.payload.snapshot_id} failed: {printable(failed.payload.message)}"
    if story.stopped is not None:
        yield f"stopped the run: {printable(story.stopped.payload.message)}"


def describe_telemetry(story: RunStory) -> Iterator[str]:
    """Count the events, then say what the log lacks."""
    yield count(story.num_events, "event")
    if story.rejected:
        yield f"{count(len(story.rejected), 'event')} rejected by the contract:"
    for told in story.rejected[:_MAX_LISTED]:
        rejected = told.payload
        field = "" if rejected.field is None else f".{rejected.field}"
        yield printable(f"{rejected.event}{field} {rejected.rule}, got {rejected.got}")
    for torn in story.torn:
        size = count(torn.num_bytes, "byte")
        yield f"torn last line left out: {torn.path.name}:{torn.line}, {size}"
    for gap in story.gaps[:_MAX_LISTED]:
        place = f"{gap.path.name}:{gap.line}"
        yield f"gap: event {gap.got_seq} where {gap.expected_seq} should be: {place}"
    if len(story.gaps) > _MAX_LISTED:
        yield f"and {count(len(story.gaps) - _MAX_LISTED, 'gap')} more"
    if story.num_superseded:
        yield f"{count(story.num_superseded, 'event')} superseded when the run was resumed"


def slot_label(slot: SlotStory, story: RunStory) -> str:
    """Return a slot's name, with its environment where there are several."""
    has_many_envs = len({other.env_id for other in story.slots}) > 1
    name = f"{slot.env_id}/{slot.slot_id}" if has_many_envs else slot.slot_id
    return printable(name, _MAX_LABEL)


def describe_seed(seed: SeedStory) -> str:
    """Tell a seed's life."""
    name = "unknown blueprint" if seed.blueprint_id is None else printable(seed.blueprint_id)
    size = "" if seed.num_params is None else f" ({count(seed.num_params, 'parameter')})"
    cooling = (SeedStage.EMBARGOED, SeedStage.RESETTING)
    life = ", ".join(_describe_step(step) for step in seed.steps if step.stage not in cooling)
    gain = "" if seed.improvement is None else f"; {seed.improvement:+.2f} pp since germination"
    share = "" if seed.contribution is None else f", contributes {seed.contribution:+.2f} pp"
    return f"{name}{size}: {life}{gain}{share}"


def describe_rollback(told: Told[GovernorRollbackPayload]) -> str:
    """Tell why the weights went back, and what came of it."""
    rollback = told.payload
    panics, loss = rollback.consecutive_panics, rollback.loss_at_panic
    why = rollback.reason.name
    why += f" after {count(panics, 'panic')} in a row" if panics else ""
    why += "" if loss is None else f", loss {loss:.4g}"
    snapshot = f"snapshot {rollback.snapshot_id} of step {rollback.to_step}"
    parts = [why, f"back from step {rollback.from_step} to {snapshot}"]
    named = (
        ("passed over corrupt snapshots", tuple(map(str, rollback.corrupt_snapshots))),
        ("pruned", rollback.pruned_slots),
        ("kept the fossils of", rollback.kept_fossils),
        ("removed the fossils of", rollback.removed_fossils),
    )
    parts += [f"{what} {printable(', '.join(names))}" for what, names in named if names]
    return "; ".join(parts)


def _describe_step(step: Step) -> str:
    epoch = "" if step.epoch is None else f" {step.epoch}"
    if step.reason is None:
        return f"{_STAGES[step.stage]}{epoch}"
    who = f", by {printable(step.initiator)}" if step.initiator else ""
    return f"{_STAGES[step.stage]}{epoch} ({printable(step.reason)}{who})"
