"""Measure what a stage transition of a slot costs, against an earlier commit and against its telemetry.

Two lives are led, in batches of slots, under the strict default gates. One seed grows up: TRAINING to BLENDING to
HOLDING to FOSSILIZED, each by `advance_stage`, which evaluates a gate. Another is pruned in HOLDING and its slot
cools down: HOLDING to PRUNED by `prune`, then to EMBARGOED, RESETTING and DORMANT by the calls of `step_epoch` that
change the stage. The time of a transition is the mean over these seven. Germination is left out, because it builds
the seed's modules, and so are the epochs between the transitions, which record figures and move the amplitude.

- silent_vs_before: nobody listens; the time now over the time at commit 954558c. Target: at most 0.5.
- listening_minus_silent_vs_helpers: what a listener costs, over the time of the emission helpers called alone on the
  same slots with the same arguments. The transport only counts. Target: at most 1.1.

The earlier commit is checked out into a temporary git worktree. Each version runs in a process of its own, and the
processes take turns, so that a busy machine slows both alike; medians over the rounds are reported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Final

from esper._generated.channel import Context, Payload
from esper._generated.enums import Gate, GateCheck, SeedStage
from esper._generated.lifecycle import (
    emit_seed_fossilized,
    emit_seed_gate_evaluated,
    emit_seed_pruned,
    emit_seed_stage_changed,
)
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.slot import SeedSlot
from esper.leyline.channel import SILENT, TelemetryChannel

ROOT: Final = Path(__file__).parents[1]
BEFORE: Final = "954558c"
BATCH: Final = 40
"""Slots that are led through a life together; their transitions are timed as one."""

NUM_TRANSITIONS: Final = 7
TARGETS: Final = {"silent_vs_before": 0.5, "listening_minus_silent_vs_helpers": 1.1}
HEALTH: Final = GradientHealth(ratio=0.5, has_vanishing=False, has_exploding=False, epoch=1)


class Counter:
    """A transport that counts the payloads it is given and keeps nothing."""

    def __init__(self) -> None:
        self.num_delivered = 0

    def connect(self, channel: TelemetryChannel) -> None:
        """Let the channel's helpers emit."""
        channel.listening = True

    def deliver(self, context: Context, payload: Payload) -> None:
        """Count the payload."""
        self.num_delivered += 1


class Lives:
    """A batch of slots, with the time that their transitions and their emission helpers have taken so far."""

    def __init__(self, channel: TelemetryChannel, *, times_helpers: bool) -> None:
        self._slots = [SeedSlot(f"r0c{i}", 16, channel=channel) for i in range(BATCH)]
        self._channel = channel
        self._times_helpers = times_helpers
        self.transitions_ns = 0
        self.helpers_ns = 0

    def grow_up(self, *, to: SeedStage) -> None:
        """Plant seeds and advance them to `to`, HOLDING or FOSSILIZED; the transitions are not timed up to HOLDING."""
        for slot in self._slots:
            slot.germinate("conv_light", blend_tempo_epochs=3)
            slot.advance_stage()
        self._train()
        self._advance(SeedStage.TRAINING, SeedStage.BLENDING, Gate.G2)
        self._train()
        self._advance(SeedStage.BLENDING, SeedStage.HOLDING, Gate.G3)
        for slot in self._slots:
            slot.record_contribution(2.0)
        if to is SeedStage.FOSSILIZED:
            self._advance(SeedStage.HOLDING, SeedStage.FOSSILIZED, Gate.G5)

    def prune(self) -> None:
        """Prune the seeds and let the slots cool down until they are empty."""
        slots = self._slots
        start = perf_counter_ns()
        for slot in slots:
            slot.prune("low_contribution")
        self.transitions_ns += perf_counter_ns() - start
        if self._times_helpers:
            self._time_stage_changed(SeedStage.HOLDING, SeedStage.PRUNED)
            self._time(
                lambda channel, slot: emit_seed_pruned(
                    channel, slot, reason="low_contribution", initiator="policy", auto_pruned=False
                )
            )
        for stage, num_waits, following in (
            (SeedStage.PRUNED, 0, SeedStage.EMBARGOED),
            (SeedStage.EMBARGOED, 4, SeedStage.RESETTING),
            (SeedStage.RESETTING, 0, SeedStage.DORMANT),
        ):
            for slot in slots:
                for _ in range(num_waits):
                    slot.step_epoch()
            start = perf_counter_ns()
            for slot in slots:
                slot.step_epoch()
            self.transitions_ns += perf_counter_ns() - start
            assert all(slot.stage is following for slot in slots)
            if self._times_helpers:
                self._time_stage_changed(stage, following)

    def _train(self) -> None:
        """Let three epochs pass in which the network gets better."""
        for slot in self._slots:
            for _ in range(3):
                slot.record_gradients(HEALTH)
                slot.step_epoch()
                slot.record_accuracy(50.0 + slot.epochs_total)

    def _advance(self, stage: SeedStage, following: SeedStage, gate: Gate) -> None:
        slots = self._slots
        start = perf_counter_ns()
        for slot in slots:
            slot.advance_stage()
        self.transitions_ns += perf_counter_ns() - start
        assert all(slot.stage is following for slot in slots)
        if self._times_helpers:
            self._time_gate(gate, following)
            self._time_stage_changed(stage, following)
            if following is SeedStage.FOSSILIZED:
                self._time(emit_seed_fossilized)
