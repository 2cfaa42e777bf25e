"""Replay recorded lives of slots: `python -m tests.kasmina.replay FILE`, with `-` for standard input.

Each line of the file is a scenario: a `name`, a `slot` and the `ops` to apply to it; other keys are ignored. The file may
be compressed with gzip. For each scenario, one line is written: the name, the result of each operation with the slot's
stage and alpha after it, and the events that the slot emitted.
"""

import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from esper._generated.channel import Context, Payload
from esper._generated.codec import encode_payload
from esper._generated.enums import AlphaAlgorithm, AlphaCurve, SeedStage
from esper.kasmina.gates import QualityGates
from esper.kasmina.gradients import GradientHealth
from esper.kasmina.slot import SeedSlot

GZIP_MAGIC = b"\x1f\x8b"
REFUSALS = (ValueError, LookupError, TypeError)
"""Exceptions of slots and enum lookups for an operation that is not possible."""


class Recorder:
    """A channel that keeps the payloads it is sent, with the index of the current operation."""

    def __init__(self) -> None:
        self.listening = True
        self.context = Context()
        self.op = 0
        self.events: list[dict[str, Any]] = []

    def send(self, payload: Payload) -> None:
        content = json.loads(encode_payload(payload))
        self.events.append({"op": self.op, "event": payload.EVENT, "payload": content})

    def reject(self, event: str, error: Exception) -> None:
        raise error


def replay(scenario: dict[str, Any]) -> dict[str, Any]:
    """Apply a scenario's operations to a new slot, and return name, results and events."""
    settings = scenario["slot"]
    recorder = Recorder()
    slot = SeedSlot(
        settings["slot_id"],
        settings["channels"],
        topology=settings["topology"],
        gates=QualityGates(permissive=settings["permissive"]),
        channel=recorder,
    )
    results = []
    for index, (operation, arguments) in enumerate(scenario["ops"]):
        recorder.op = index
        try:
            result = OPERATIONS[operation](slot, **arguments)
        except REFUSALS:
            result = "error"
        results.append({"result": result, "stage": slot.stage.name, "alpha": slot.alpha})
    return {"name": scenario["name"], "results": results, "events": recorder.events}


def germinate(slot: SeedSlot, alpha_algorithm: str = "ADD", **arguments: Any) -> str:
    slot.germinate(alpha_algorithm=AlphaAlgorithm[alpha_algorithm], **arguments)
    return "ok"


def record_accuracy(slot: SeedSlot, accuracy: float) -> str:
    slot.record_accuracy(accuracy)
    return _accepted(slot)


def record_gradients(slot: SeedSlot, grad_ratio: float, **health: Any) -> str:
    slot.record_gradients(GradientHealth(ratio=grad_ratio, **health))
    return _accepted(slot)


def record_contribution(slot: SeedSlot, contribution: float) -> str:
    slot.record_contribution(contribution)
    return _accepted(slot)


def advance_stage(slot: SeedSlot, target_stage: str | None = None) -> dict[str, Any]:
    # A name that is not a stage is passed on as it is: a slot without a seed does not look at it.
    target: Any = SeedStage.__members__.get(target_stage or "", target_stage)
    result = slot.advance_stage(target)
    return {"gate": result.gate.name, "passed": result.passed}


def step_epoch(slot: SeedSlot) -> str:
    slot.step_epoch()
    return "ok"


def prune(slot: SeedSlot, **arguments: Any) -> bool:
    return slot.prune(**arguments)


def schedule_prune(slot: SeedSlot, curve: str | None = None, **arguments: Any) -> bool:
    return slot.schedule_prune(curve=_curve(curve), **arguments)


def set_alpha_target(
    slot: SeedSlot,
    curve: str | None = None,
    alpha_algorithm: str | None = None,
    **arguments: Any,
) -> bool:
    algorithm = None if alpha_algorithm is None else AlphaAlgorithm[alpha_algorithm]
    return slot.set_alpha_target(curve=_curve(curve), alpha_algorithm=algorithm, **arguments)


def _curve(name: str | None) -> AlphaCurve | None:
    return None if name is None else AlphaCurve[name]


def _accepted(slot: SeedSlot) -> str:
    return "ignored" if slot.seed is None else "ok"


OPERATIONS: dict[str, Callable[..., Any]] = {
    "germinate": germinate,
    "record_accuracy": record_accuracy,
    "gradient_health": record_gradients,
    "counterfactual": record_contribution,
    "advance_stage": advance_stage,
    "step_epoch": step_epoch,
    "prune": prune,
    "schedule_prune": schedule_prune,
    "set_alpha_target": set_alpha_target,
}


def read_scenarios(path: str) -> Iterator[dict[str, Any]]:
    """Yield the scenarios of a file, or of standard input for `-`."""
    if path == "-":
        content = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            content = file.read()
    if content.startswith(GZIP_MAGIC):
        content = gzip.decompress(content)
    for line in content.splitlines():
        if line.strip():
            yield json.loads(line)


def main(arguments: Iterable[str]) -> None:
    (path,) = arguments
    for scenario in read_scenarios(path):
        print(json.dumps(replay(scenario)))


if __name__ == "__main__":
    main(sys.argv[1:])
