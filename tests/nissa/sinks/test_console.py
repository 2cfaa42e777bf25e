"""The console sink prints one safe line for each event."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from esper._generated.enums import ClearedBy
from esper._generated.registry import EVENTS
from esper.nissa.hub import Hub
from esper.nissa.sinks.console import _DESCRIPTIONS, ConsoleSink
from tests.kasmina.made_evidence import evidence
from tests.nissa.sample_events import (
    EVIDENCE,
    Seed,
    emit_clearing,
    emit_fossil,
    emit_rollback,
    emit_seed_fossilized,
    emit_seed_germinated,
    emit_seed_pruned,
    emit_snapshot,
    emit_watched,
    emit_whole_run,
)


def shown(emit, **console):
    """Return the lines that the console sink prints for the events that `emit` emits."""
    file = io.StringIO()
    with Hub("run") as hub:
        hub.attach(ConsoleSink(Console(file=file, width=60, **console)))
        emit(hub.channel(env_id=0, epoch=12))
    return file.getvalue().splitlines()


def test_fossilizing_prints_two_lines():
    assert shown(emit_fossil) == [
        "epoch 12   r0c0       HOLDING -> FOSSILIZED, alpha 0.50, +0.50 pp",
        "epoch 12   r0c0       fossilized conv_small, 148 parameters, +1.50 pp",
    ]


def test_a_rollback_is_printed_with_its_cause_and_target():
    assert shown(emit_rollback) == [
        "epoch 12   governor   panic 1 in a row, NAN: loss nan, threshold 4.6",
        "epoch 12   governor   rolled back to snapshot 4 of step 5, NAN, pruned r0c1",
    ]


def test_a_snapshot_is_printed():
    assert shown(emit_snapshot) == [
        "epoch 12   governor   snapshot 0 of step 0: 12 tensors, 4,000 bytes"
    ]


COMPARED = " (on the same batches 2.5 now, 0.25 with snapshot 7)"


@pytest.mark.parametrize(
    ("by", "evidence", "why"),
    [
        (ClearedBy.COMPARISON, EVIDENCE, f"the snapshot does not do better{COMPARED}"),
        (ClearedBy.RETURN, None, "a rollback has changed nothing"),
        (ClearedBy.GRADIENTS, None, "the gradients have not grown"),
        (ClearedBy.GRADIENTS, EVIDENCE, f"the gradients have not grown{COMPARED}"),
    ],
)
def test_a_cleared_suspicion_is_printed_with_the_reason(by, evidence, why):
    (line,) = shown(lambda channel: emit_clearing(channel, by=by, evidence=evidence))

    assert line == f"epoch 12   governor   cleared of DRIFT at step 40: {why}"


@pytest.mark.parametrize(("evidence", "compared"), [(None, ""), (EVIDENCE, COMPARED)])
def test_an_action_that_was_only_watched_is_printed(evidence, compared):
    (line,) = shown(lambda channel: emit_watched(channel, evidence=evidence))

    assert line == (
        "epoch 12   governor   watches only; at step 41 it would have acted: ROLLBACK for DIVERGENCE,"
        f" loss 9{compared}"
    )


def test_evidence_is_printed_with_the_end_of_a_seed():
    def emit(channel):
        seed = Seed()
        emit_seed_fossilized(channel, seed, evidence=evidence())
        emit_seed_pruned(
            channel,
            seed,
            reason="low",
            initiator="policy",
            auto_pruned=False,
            evidence=evidence(low=-0.01),
        )

    kept, pruned = shown(emit)

    assert kept.endswith("fossilized conv_small, -0.021 nats [-0.027, -0.015] for 87 parameters")
    assert pruned.endswith(
        "(low, by policy), -0.021 nats [-0.027, +0.01] for 87 parameters, price 0.0009"
    )


def test_a_rejected_event_is_printed():
    (line,) = shown(lambda channel: emit_seed_germinated(channel, Seed(alpha=7.0)))

    assert line == (
        "epoch 12   telemetry  rejected SEED_GERMINATED.alpha: must be in [0.0, 1.0], got 7.0"
    )


def test_epochs_are_not_printed():
    assert not any("accuracy" in line for line in shown(emit_whole_run))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_escape_sequences_in_names_are_not_printed(is_terminal):
    def emit(channel):
        seed = replace(Seed(), slot_id="[red]r[/red]", blueprint_id="\x1b]0;x\x07\nb\u202e")
        emit_seed_pruned(channel, seed, reason="[bold]", initiator="me", auto_pruned=False)

    (line,) = shown(emit, force_terminal=is_terminal, color_system=None)

    assert line == (r"epoch 12   [red]r[/red] pruned \x1b]0;x\x07\nb\u202e ([bold], by me)")


@pytest.mark.parametrize(
    "event", [name for name in EVENTS if name.startswith(("SEED_", "GOVERNOR_", "TELEMETRY_"))]
)
def test_every_event_about_seeds_governor_and_rejections_has_a_line(event):
    assert EVENTS[event] in _DESCRIPTIONS
