"""Read a run in Python: its story, then its events one by one.

make train
python examples/read_run.py runs/RUN    or without an argument: the newest run
"""

import sys
from pathlib import Path

from esper import SeedStage, read_run, read_story
from esper.telemetry import EpochCompletedPayload, SeedGateEvaluatedPayload


def main() -> None:
    """Print what happened in a run."""
    # The id of a run begins with its date and time.
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else max(Path("runs").iterdir())

    # The story: the run as a whole, in one value.
    story = read_story(folder)
    print(f"{story.run_id}: {story.epochs_completed} epochs, {story.num_events} events")
    for name, accuracy in (("grown", story.grown_accuracy), ("host alone", story.host_accuracy)):
        print(f"accuracy, {name}: " + ("not measured" if accuracy is None else f"{accuracy:.2f} %"))
    for slot in story.slots:
        kept = sum(seed.stage is SeedStage.FOSSILIZED for seed in slot.seeds)
        print(f"slot {slot.slot_id}: seeds planted {len(slot.seeds)}, kept {kept}")
    for rollback in story.rollbacks:
        print(f"rollback in epoch {rollback.epoch}: {rollback.payload.reason.name}")

    # The events, typed and validated, in constant memory.
    best = 0.0
    num_refused = 0
    for _envelope, payload in read_run(folder):
        match payload:
            case EpochCompletedPayload(val_accuracy=accuracy) if accuracy is not None:
                best = max(best, accuracy)
            case SeedGateEvaluatedPayload(passed=False):
                num_refused += 1
    print(f"best validation accuracy {best:.2f} %; gates not passed: {num_refused}")


if __name__ == "__main__":
    main()
