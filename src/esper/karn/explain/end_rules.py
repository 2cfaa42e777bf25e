"""Rules about how a run ended: completed, interrupted, failed, died, or still running; and how to resume it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from esper._generated.enums import RunOutcome
from esper._generated.run import LoopStartedPayload
from esper.karn.explain.finding import Finding, Value, problem, refs
from esper.karn.report.sentences import count_times, describe_extent, describe_result
from esper.karn.story import Event, RunStory
from esper.leyline.text import pluralize, printable


def judge_end(story: RunStory) -> Iterator[Finding]:
    """Yield outcome and result of the run, its resumptions, and what to do if it did not complete."""
    newest: tuple[Event[Any], ...] = story.epochs[-1:]
    end = refs(*story.headers[:1], *newest, story.end)
    numbers: dict[str, Value] = {
        "epochs_completed": story.epochs_completed,
        "epochs_planned": story.epochs_planned,
        "duration_s": None if story.finished is None else story.finished.duration_s,
    }
    told, score, *rest = describe_result(story)
    yield Finding(kind="happened", rule="end", text=told, numbers=numbers, events=end)
    scores: dict[str, Value] = {
        "test_accuracy": story.test_accuracy,
        "host_test_accuracy": story.host_test_accuracy,
        "val_accuracy": story.grown_accuracy,
        "host_accuracy": story.host_accuracy,
        "num_params": story.num_params,
    }
    yield Finding(kind="happened", rule="result", text=score, numbers=scores, events=end)
    ends = refs(*(seed.end for slot in story.slots for seed in slot.seeds))
    for text, events in zip(rest, (ends, end), strict=False):
        yield Finding(kind="happened", rule="result", text=text, events=events or end)
    yield from _describe_resumptions(story)
    yield from _judge_outcome(story)


def _describe_resumptions(story: RunStory) -> Iterator[Finding]:
    if story.resumptions:
        lost = f"; {pluralize(story.num_superseded, 'event')} after the checkpoints were replaced"
        yield Finding(
            kind="happened",
            rule="resumed",
            text=f"The run was resumed {count_times(len(story.resumptions))}{lost if story.num_superseded else ''}.",
            numbers={
                "num_resumptions": len(story.resumptions),
                "num_superseded": story.num_superseded,
            },
            events=refs(*story.resumptions),
        )


def _judge_outcome(story: RunStory) -> Iterator[Finding]:
    done, planned = story.epochs_completed, story.epochs_planned
    numbers: dict[str, Value] = {"epochs_completed": done, "epochs_planned": planned}
    events = refs(story.end, *story.epochs[-1:], *story.headers[:1])
    name = printable(story.folder.name, 100)
    # A loop of the user's own saves its checkpoints itself.
    resume = (
        "Start the program again from the last checkpoint that it wrote."
        if isinstance(story.started, LoopStartedPayload)
        else f"Continue from the newest checkpoint: esper train --resume {name}"
    )
    if story.outcome is RunOutcome.FAILED and story.finished is not None:
        yield from problem(
            "failed",
            f"An exception ended the run: {printable(story.finished.error_type or 'not in the log')}:"
            f" {printable(story.finished.error_message or 'not in the log')}.",
            f"Correct the error, then resume. {resume}",
            numbers=numbers,
            events=events,
        )
    elif story.outcome is RunOutcome.INTERRUPTED:
        yield from problem(
            "interrupted",
            f"A signal ended the run after {describe_extent(story)}.",
            resume,
            numbers=numbers,
            events=events,
        )
    elif story.state == "died":
        yield from problem(
            "died",
            f"The run died after {describe_extent(story)}: its log has no end, and no process writes it.",
            resume,
            numbers=numbers,
            events=events,
        )
    elif story.state == "unknown":
        yield from problem(
            "no_end",
            f"The log has no end after {describe_extent(story)}, and without a lock file nobody knows whether a process still writes it.",
            f"If no process trains it any more: {resume[0].lower()}{resume[1:]}",
            numbers=numbers,
            events=events,
        )
