"""Measures the cost of telemetry, compared with code written by hand.

All numbers are ratios of times, measured on SEED_STAGE_CHANGED in one process. Each round times the generated code
and the handwritten code in turn, so that a busy machine slows both; the median of the rounds' ratios is reported.

- construct: the emission helper, which captures, checks, builds and sends, over an unchecked frozen dataclass
  that is built at the call site from the same source and sent to the same channel.
- silent: the helper while nobody listens, over the same dataclass.
- encode: encoding a payload as a line of JSON, over `asdict` and `json.dumps`.
- decode: decoding a line with all checks, over `json.loads` and checks written by hand.
"""

import argparse
import json
import statistics
import sys
import timeit
from dataclasses import asdict, dataclass

from esper._generated.channel import Context
from esper._generated.codec import decode_payload, encode_payload
from esper._generated.enums import SeedStage
from esper._generated.lifecycle import SeedStageChangedPayload, emit_seed_stage_changed

EVENT = SeedStageChangedPayload.EVENT


@dataclass(frozen=True, slots=True, kw_only=True)
class HandWritten:
    """The payload as written by hand without a contract: the same fields, no checks."""

    slot_id: str
    from_stage: SeedStage
    to_stage: SeedStage
    alpha: float | None
    accuracy_delta: float
    epochs_in_stage: int
    grad_ratio: float = 0.0
    has_vanishing: bool = False
    has_exploding: bool = False
    env_id: int = -1


class Slot:
    """A source of lifecycle events whose values are plain attributes, which are the cheapest to read."""

    def __init__(self) -> None:
        self.slot_id = "r0c0"
        self.blueprint_id = "norm"
        self.num_seed_params = 16
        self.blend_tempo_epochs = 5
        self.epochs_in_stage = 3
        self.epochs_total = 7
        self.total_improvement = 1.5
        self.contribution = None
        self.alpha = 0.5
        self.has_gradient_health = True
        self.gradient_ratio = 0.25
        self.has_vanishing = False
        self.has_exploding = False


class Nowhere:
    """A channel that drops every payload; it may be listening or not."""

    __slots__ = ("context", "listening")

    def __init__(self, listening: bool) -> None:
        self.listening = listening
        self.context = Context(env_id=3)

    def send(self, payload: object) -> None:
        """Drop a payload."""

    def reject(self, event: str, error: Exception) -> None:
        """Raise the error, because no payload of this benchmark may be rejected."""
        raise error


# The statements are timed as they would be in a function, without a call around them.
BY_HAND = """
if slot.has_gradient_health:
    grad_ratio, has_vanishing, has_exploding = (
        slot.gradient_ratio, slot.has_vanishing, slot.has_exploding
    )
else:
    grad_ratio, has_vanishing, has_exploding = 0.0, False, False
channel.send(
    HandWritten(
        slot_id=slot.slot_id, from_stage=old, to_stage=new, alpha=slot.alpha,
        accuracy_delta=gain, epochs_in_stage=epochs, grad_ratio=grad_ratio,
        has_vanishing=has_vanishing, has_exploding=has_exploding, env_id=channel.context.env_id,
    )
)
"""
BY_HELPER = """
emit_seed_stage_changed(
    channel, slot, from_stage=old, to_stage=new, accuracy_delta=gain, epochs_in_stage=epochs
)
"""


def read_by_hand(line: bytes) -> HandWritten:
    """Decode a line with the checks of the contract, as written by hand."""
    fields = json.loads(line)
    unknown = fields.keys() - HandWritten.__dataclass_fields__.keys()
    if unknown:
        raise ValueError(f"unknown {unknown}")
    for name in ("slot_id", "from_stage", "to_stage"):
        if not isinstance(fields[name], str):
            raise ValueError(f"{name} must be a str")
    if not 1 <= len(fields["slot_id"]) <= 64:
        raise ValueError("slot_id must have 1 to 64 characters")
    for name in ("accuracy_delta", "grad_ratio"):
        if isinstance(fields[name], bool) or not isinstance(fields[name], int | float):
            raise ValueError(f"{name} must be a float")
    if fields["alpha"] is not None and not 0 <= fields["alpha"] <= 1:
        raise ValueError("alpha must be in [0, 1]")
    if fields["grad_ratio"] < 0:
        raise ValueError("grad_ratio must be 0 or more")
    for name in ("epochs_in_stage", "env_id"):
        if isinstance(fields[name], bool) or not isinstance(fields[name], int):
            raise ValueError(f"{name} must be an int")
    if fields["epochs_in_stage"] < 0 or fields["env_id"] < -1:
        raise ValueError("must be 0 or more")
    for name in ("has_vanishing", "has_exploding"):
        if not isinstance(fields[name], bool):
            raise ValueError(f"{name} must be a bool")
    fields["from_stage"] = SeedStage[fields["from_stage"]]
    fields["to_stage"] = SeedStage[fields["to_stage"]]
    return HandWritten(**fields)


def median_ratio(candidate: timeit.Timer, baseline: timeit.Timer, rounds: int) -> float:
    """Return the median over the rounds of the ratio of the best of three short loops."""
    number = max(200, int(0.004 / (min(baseline.repeat(3, 200)) / 200)))
    ratios = []
    for _ in range(rounds):
        one, other = (min(timer.repeat(3, number)) for timer in (candidate, baseline))
        ratios.append(one / other)
    return statistics.median(ratios)


def measure(rounds: int) -> dict[str, float]:
    """Return the four ratios."""
    names = {"slot": Slot(), "old": SeedStage.TRAINING, "new": SeedStage.BLENDING}
    names |= {"gain": 1.5, "epochs": 3}
    names |= {"HandWritten": HandWritten, "emit_seed_stage_changed": emit_seed_stage_changed}
    listening, silent = Nowhere(listening=True), Nowhere(listening=False)
    by_hand = timeit.Timer(BY_HAND, globals=names | {"channel": listening})
    by_helper = timeit.Timer(BY_HELPER, globals=names | {"channel": listening})
    by_silent_helper = timeit.Timer(BY_HELPER, globals=names | {"channel": silent})

    payload = example()
    line = encode_payload(payload) + b"\n"
    assert decode_payload(EVENT, line) == payload
    assert asdict(read_by_hand(line)) == asdict(payload)
    return {
        "construct": median_ratio(by_helper, by_hand, rounds),
        "silent": median_ratio(by_silent_helper, by_hand, rounds),
        "encode": median_ratio(
            timeit.Timer(lambda: encode_payload(payload) + b"\n"),
            timeit.Timer(lambda: (json.dumps(asdict(payload)) + "\n").encode()),
            rounds,
        ),
        "decode": median_ratio(
            timeit.Timer(lambda: decode_payload(EVENT, line)),
            timeit.Timer(lambda: read_by_hand(line)),
            rounds,
        ),
    }


class Recorder(Nowhere):
    """A channel that keeps only the last payload."""

    __slots__ = ("kept",)

    def send(self, payload: object) -> None:
        """Keep `payload` in place of the one before."""
        self.kept = payload


def example() -> SeedStageChangedPayload:
    """Return a payload that the helper has built, for encoding and decoding."""
    channel = Recorder(listening=True)
    emit_seed_stage_changed(
        channel,
        Slot(),
        from_stage=SeedStage.TRAINING,
        to_stage=SeedStage.BLENDING,
        accuracy_delta=1.5,
        epochs_in_stage=3,
    )
    assert isinstance(channel.kept, SeedStageChangedPayload)
    return channel.kept


TARGETS = {
    "construct": 0.40,
    "silent": 0.06,
    # From Python 3.12 on, `asdict` takes plain values over without a deep copy and is faster.
    "encode": 0.06 if sys.version_info < (3, 12) else 0.15,
    "decode": 0.15,
}


def main() -> None:
    """Measure, and print the ratios; with --json also as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=25, help="number of rounds in which everything is timed"
    )
    parser.add_argument("--json", action="store_true", help="end with the ratios as a line of JSON")
    options = parser.parse_args()
    ratios = measure(options.rounds)
    for name, ratio in ratios.items():
        print(f"{name:10} {ratio:6.3f}  (at most {TARGETS[name]:.2f})")
    if options.json:
        print(json.dumps({name: round(ratio, 4) for name, ratio in ratios.items()}))


if __name__ == "__main__":
    main()
