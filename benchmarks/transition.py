"""Measures a stage transition of a slot, against an earlier commit and against the telemetry that it emits.

Batches of slots are led through two lives, under the strict default gates. In the first, seeds grow up: from TRAINING
to BLENDING, HOLDING and FOSSILIZED by `advance_stage`, which evaluates a gate. In the second, seeds are pruned in
HOLDING and their slots cool down: `prune`, then the three calls of `step_epoch` that enter EMBARGOED, RESETTING and
DORMANT. Only these seven transitions are timed: not building the seed's modules and freeing them, and not the epochs
between the transitions, which record figures and move the amplitude.

- silent_vs_before: without a listener, the time of the seven transitions now over that at commit 954558c.
- listening_minus_silent_vs_helpers: the time that a listener adds to them, over the time of the emission helpers that
  they call, called alone on the same slots with the same arguments. The transport only counts payloads. The helpers are
  timed once before and once after the transitions, because whatever comes second finds the slot in the cache.

The earlier commit is checked out into a temporary git worktree. Each version runs in a process of its own; the two take
turns, and the ratios are those of the fastest rounds, which a busy machine has disturbed least.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns

from esper._generated.channel import Context, Payload
from esper._generated.enums import SeedStage
from esper._generated.lifecycle import (
    emit_seed_fossilized,
    emit_seed_gate_evaluated,
    emit_seed_pruned,
    emit_seed_stage_changed,
)
from esper.kasmina.gates import GateResult
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.slot import SeedSlot
from esper.leyline.channel import SILENT, TelemetryChannel

ROOT = Path(__file__).parents[1]
BEFORE = "954558c"
BATCH = 40
"""Slots whose transitions are timed as one: a single one is too short for the clock."""

TARGETS = {"silent_vs_before": 0.5, "listening_minus_silent_vs_helpers": 1.1}
HEALTH = GradientHealth(ratio=0.5, has_vanishing=False, has_exploding=False, epoch=1)

Times = Counter[str]
"""Nanoseconds by transition."""


class CountingTransport:
    """Counts the payloads that it is given."""

    def __init__(self) -> None:
        self.num_payloads = 0

    def connect(self, channel: TelemetryChannel) -> None:
        """Mark the channel as listening."""
        channel.listening = True

    def deliver(self, context: Context, payload: Payload) -> None:
        """Count the payload."""
        self.num_payloads += 1


class Lives:
    """Leads batches of slots through their lives, and adds up the time of each transition and of its helpers.

    Attributes:
        transitions: time of the transitions.
        helpers: time of the helpers that they call; empty when the channel is silent.
    """

    def __init__(self, channel: TelemetryChannel) -> None:
        self.transitions: Times = Counter()
        self.helpers: Times = Counter()
        self._channel = channel
        self._slots: list[SeedSlot] = []
        self._helpers_first = False
        # The result of the last call of each transition; the helpers take their arguments from it.
        self._results: dict[str, object] = {}

    def run(self) -> None:
        """Lead two batches through each life: one with the helpers after the transitions, one with them before."""
        for self._helpers_first in (False, True):
            self._germinate()
            for stage in (SeedStage.BLENDING, SeedStage.HOLDING):
                self._train()
                self._time(stage, SeedSlot.advance_stage)
            self._time(SeedStage.FOSSILIZED, SeedSlot.advance_stage)

            self._germinate()
            for _ in range(2):
                self._train()
                self._do(SeedSlot.advance_stage)
            seeds = [slot.seed for slot in self._slots]
            self._time(SeedStage.PRUNED, lambda slot: slot.prune("low_contribution"))
            del seeds
            self._time(SeedStage.EMBARGOED, SeedSlot.step_epoch)
            for _ in range(4):
                self._do(SeedSlot.step_epoch)
            self._time(SeedStage.RESETTING, SeedSlot.step_epoch)
            self._time(SeedStage.DORMANT, SeedSlot.step_epoch)

    def _germinate(self) -> None:
        """Plant seeds in new slots, and lead them to TRAINING."""
        self._slots = [SeedSlot(f"r0c{i}", 16, channel=self._channel) for i in range(BATCH)]
        self._do(lambda slot: slot.germinate("conv_light", blend_tempo_epochs=3))
        self._do(SeedSlot.advance_stage)

    def _train(self) -> None:
        """Record three epochs in which accuracy rises."""
        for slot in self._slots:
            for _ in range(3):
                slot.record_gradients(HEALTH)
                slot.step_epoch()
                slot.record_accuracy(50.0 + slot.epochs_total)
            slot.record_contribution(2.0)

    def _do(self, act: Callable[[SeedSlot], object]) -> object:
        """Call `act` on all slots, and return the last result."""
        result: object = None
        for slot in self._slots:
            result = act(slot)
        return result

    def _time(self, stage: SeedStage, act: Callable[[SeedSlot], object]) -> None:
        """Time `act`, which leads the slots to `stage`, and the helpers that it calls."""
        left = self._slots[0].stage
        name = f"{left.name} -> {stage.name}"
        is_listening = self._channel.listening
        if is_listening and self._helpers_first:
            self.helpers[name] += self._time_helpers(left, stage, self._results[name])
        start = perf_counter_ns()
        result = self._results[name] = self._do(act)
        self.transitions[name] += perf_counter_ns() - start
        assert all(slot.stage is stage for slot in self._slots)
        if is_listening and not self._helpers_first:
            self.helpers[name] += self._time_helpers(left, stage, result)

    def _time_helpers(self, left: SeedStage, stage: SeedStage, result: object) -> int:
        """Return the time of the helpers that a transition from `left` to `stage` calls."""
        channel, slots = self._channel, self._slots
        start = perf_counter_ns()
        for slot in slots:
            if isinstance(result, GateResult):
                emit_seed_gate_evaluated(
                    channel,
                    slot,
                    gate=result.gate,
                    passed=result.passed,
                    target_stage=stage,
                    checks_passed=result.checks_passed,
                    checks_failed=result.checks_failed,
                    message=result.message,
                )
            emit_seed_stage_changed(
                channel,
                slot,
                from_stage=left,
                to_stage=stage,
                accuracy_delta=3.0,
                epochs_in_stage=3,
            )
            if stage is SeedStage.FOSSILIZED:
                emit_seed_fossilized(channel, slot)
            elif stage is SeedStage.PRUNED:
                emit_seed_pruned(
                    channel, slot, reason="low_contribution", initiator="policy", auto_pruned=False
                )
        return perf_counter_ns() - start


def work(*, listens: bool) -> None:
    """Measure a round for each line of standard input, and write its times as a line of JSON."""
    transport = CountingTransport()
    listening = TelemetryChannel(transport, Context(env_id=0), strict=True)
    for _ in sys.stdin:
        gc.collect()
        gc.disable()
        silent = Lives(SILENT)
        silent.run()
        times = {"silent": silent.transitions}
        if listens:
            emitting = Lives(listening)
            emitting.run()
            assert transport.num_payloads
            times |= {"listening": emitting.transitions, "helpers": emitting.helpers}
        gc.enable()
        print(json.dumps(times), flush=True)


@contextmanager
def earlier_checkout() -> Iterator[Path]:
    """Check the earlier commit out into a temporary folder."""
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / BEFORE
        subprocess.run([*git, "add", "--quiet", "--detach", str(checkout), BEFORE], check=True)
        try:
            yield checkout
        finally:
            subprocess.run([*git, "remove", "--force", str(checkout)], check=True)


class Worker:
    """A process that measures the sources of a checkout, one round at a time."""

    def __init__(self, checkout: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(checkout / "src")},
            text=True,
        )

    def measure_round(self) -> dict[str, Times]:
        """Return the times of one round by series."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write("round\n")
        requests.flush()
        return {series: Counter(times) for series, times in json.loads(answers.readline()).items()}

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(rounds: int) -> list[dict[str, Times]]:
    """Return the times of each round by series: before, silent, listening and helpers."""
    with earlier_checkout() as checkout:
        before, now = Worker(checkout), Worker(ROOT, "--listens")
        try:
            measured = [
                {"before": before.measure_round()["silent"], **now.measure_round()}
                for _ in range(rounds + 1)
            ]
        finally:
            before.stop()
            now.stop()
    # The first round warms both up.
    return measured[1:]


def fastest(rounds: list[dict[str, Times]]) -> dict[str, Times]:
    """Return the least time of each transition over the rounds, by series."""
    return {
        series: Counter(
            {name: min(times[series][name] for times in rounds) for name in transitions}
        )
        for series, transitions in rounds[0].items()
    }


def ratios_of(times: dict[str, Times]) -> dict[str, float]:
    """Return both ratios that the module's docstring defines, from times by series."""
    total = {series: transitions.total() for series, transitions in times.items()}
    return {
        "silent_vs_before": total["silent"] / total["before"],
        "listening_minus_silent_vs_helpers": (total["listening"] - total["silent"])
        / total["helpers"],
    }


def main() -> None:
    """Measure and print; with --json, end with the ratios as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help="how often everything is timed")
    parser.add_argument("--json", action="store_true", help="end with the ratios as a line of JSON")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--listens", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(listens=options.listens)
        return
    times = fastest(measure(options.rounds))
    print(f"{'microseconds':24}" + "".join(f"{series:>11}" for series in times))
    for name in times["before"]:
        # Each life is led twice a round.
        each = (transitions[name] / (2 * BATCH) / 1000 for transitions in times.values())
        print(f"{name:24}" + "".join(f"{microseconds:11.2f}" for microseconds in each))
    ratios = ratios_of(times)
    for name, ratio in ratios.items():
        print(f"{name} {ratio:.3f}  (at most {TARGETS[name]:.2f})")
    if options.json:
        print(json.dumps({name: round(ratio, 4) for name, ratio in ratios.items()}))


if __name__ == "__main__":
    main()
