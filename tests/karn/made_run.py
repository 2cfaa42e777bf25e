"""Writes small runs of which one thing is wrong, or nothing.

story = make_story(tmp_path, val=lambda epoch: 1 / epoch)
"""

import math
from pathlib import Path

from esper._generated.enums import RunOutcome, Severity
from esper.karn.run import read_story
from tests.karn.example_run import _Writer


def fall(epoch):
    """Return a loss that falls, less and less, but not so little that it is a plateau."""
    return 0.2 + math.exp(-epoch / 3.4)


def make_story(folder, **options):
    """Return the story of a run; the options are those of `write_run`."""
    return read_story(write_run(folder, **options))


def write_run(
    folder,
    *,
    epochs=20,
    val=fall,
    train=fall,
    during=None,
    before=None,
    end=True,
    seed=1,
    provenance=None,
    **finish,
):
    """Write a run in which all is well, but for what the arguments say, and return its folder.

    Args:
        val: decision loss by epoch.
        train: training loss by epoch.
        during: called with the writer and the epoch before the end of each epoch.
        before: called with the writer after the start of the run.
        end: whether the log has the end of the run.
        seed: seed of the run.
        provenance: where it comes from.
        finish: fields of RUN_FINISHED.
    """
    writer = _Writer(0, "a1")
    start = {
        "num_host_params": 1000,
        "seed": seed,
        "provenance": provenance,
        "slot_ids": ("r0c0",),
        "num_test": 400,
        "num_validation": 400,
    }
    writer.emit("RUN_STARTED", task="made", epochs=epochs, **start)
    if before is not None:
        before(writer)
    for epoch in range(1, epochs + 1):
        writer.epoch = epoch
        writer.time_ns += 1_000_000_000
        if during is not None:
            during(writer, epoch)
        writer.emit(
            "EPOCH_COMPLETED",
            train_loss=train(epoch),
            val_loss=val(epoch),
            train_accuracy=90.0,
            val_accuracy=90.0,
            learning_rate=0.1,
            num_params=1000,
            severity=Severity.OK,
            seeds=(),
            duration_s=1.0,
        )
    if end:
        values = {
            "outcome": RunOutcome.COMPLETED,
            "epochs_completed": epochs,
            "val_accuracy": 90.0,
            "baseline_accuracy": 90.0,
            "num_host_params": 1000,
            "num_params": 1000,
            "duration_s": 20.0,
            "num_updates": 2_000_000,
            "num_flops": 4e9,
        }
        writer.emit("RUN_FINISHED", **(values | finish))
    log = Path(folder) / "log"
    log.mkdir(parents=True)
    (log / "0-a1-0000.jsonl").write_bytes(b"".join(writer.lines))
    return Path(folder)
