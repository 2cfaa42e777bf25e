"""Emits the events of small made-up runs, without training."""

from dataclasses import dataclass, replace

from esper._generated.enums import (
    ClearedBy,
    EscalationAction,
    LossSeries,
    PanicReason,
    RunOutcome,
    SeedStage,
    Severity,
)
from esper._generated.fields import EVENT_FIELDS
from esper._generated.governor import (
    emit_governor_cleared,
    emit_governor_panic,
    emit_governor_rollback,
    emit_governor_snapshot,
    emit_governor_watched,
)
from esper._generated.lifecycle import (
    emit_seed_fossilized,
    emit_seed_germinated,
    emit_seed_pruned,
    emit_seed_stage_changed,
)
from esper._generated.records import GovernorReport, ProbeEvidence, SnapshotInfo
from esper._generated.run import emit_epoch_completed, emit_run_started
from esper.testing.sample_events import make_every_event
from esper.tolaria.training.reports import EpochReport, RunDescription, RunResult, emit_result


@dataclass
class Seed:
    """A source of lifecycle events."""

    slot_id: str = "r0c0"
    blueprint_id: str = "conv_small"
    num_seed_params: int = 148
    alpha: float = 0.5
    blend_tempo_epochs: int = 5
    epochs_in_stage: int = 2
    has_gradient_health: bool = False
    gradient_ratio: float = 0.0
    has_vanishing: bool = False
    has_exploding: bool = False
    total_improvement: float = 1.5
    epochs_total: int = 9
    contribution: float | None = 0.75


@dataclass
class Alarm:
    """A source of panics."""

    severity: Severity = Severity.ROLLBACK
    loss: float = float("nan")
    loss_threshold: float | None = 4.6
    statistic: float | None = None
    consecutive_panics: int = 1
    evidence: ProbeEvidence | None = None


def emit_germination(channel, slot_id="r0c0", blueprint_id="conv_small"):
    emit_seed_germinated(channel, Seed(slot_id=slot_id, blueprint_id=blueprint_id))


def emit_stage_change(channel, slot_id, from_stage, to_stage):
    emit_seed_stage_changed(
        channel,
        Seed(slot_id=slot_id),
        from_stage=SeedStage[from_stage],
        to_stage=SeedStage[to_stage],
        accuracy_delta=0.5,
        epochs_in_stage=2,
    )


def emit_pruning(channel, slot_id="r0c0", reason="no gain", initiator="policy", *, evidence=None):
    emit_stage_change(channel, slot_id, "TRAINING", "PRUNED")
    emit_seed_pruned(
        channel,
        Seed(slot_id=slot_id),
        reason=reason,
        initiator=initiator,
        auto_pruned=False,
        evidence=evidence,
    )


def emit_fossil(channel, slot_id="r0c0", *, improvement=1.5, evidence=None):
    emit_stage_change(channel, slot_id, "HOLDING", "FOSSILIZED")
    source = Seed(slot_id=slot_id, total_improvement=improvement)
    emit_seed_fossilized(channel, source, evidence=evidence)


def emit_start(
    channel, *, task="digits", epochs=8, slot_ids=("r0c0", "r0c1"), num_test=None, metric="accuracy"
):
    description = RunDescription(
        task=task,
        seed=3,
        epochs=epochs,
        device="cpu",
        num_host_params=1000,
        slot_ids=slot_ids,
        num_train=1437,
        num_validation=360,
        num_test=num_test,
        metric=metric,
        esper_version="0.1.0",
        torch_version="2.13.0",
    )
    emit_run_started(channel, description, num_test=num_test, metric=metric)


def emit_epoch(channel, *, accuracy=90.0, loss=0.3, num_params=1000, severity=Severity.OK):
    report = EpochReport(
        train_loss=loss,
        train_accuracy=accuracy,
        val_loss=loss,
        val_accuracy=accuracy,
        host_grad_norm=1.0,
        learning_rate=0.1,
        num_params=num_params,
        severity=severity,
        seeds=(),
        duration_s=0.5,
    )
    emit_epoch_completed(channel, report)


def emit_end(
    channel, *, outcome=RunOutcome.COMPLETED, epochs=8, baseline=92.0, test=None, host_test=None
):
    """Emit the end of a run; `test` and `host_test` are evaluations, None where there are no test samples."""
    result = RunResult(
        outcome=outcome,
        epochs_completed=epochs,
        val_accuracy=95.5,
        baseline_accuracy=baseline,
        num_host_params=1000,
        num_params=1148,
        duration_s=12.5,
        test=test,
        baseline_test=host_test,
    )
    emit_result(channel, result)


def emit_snapshot(channel, snapshot_id=0):
    info = SnapshotInfo(
        snapshot_id=snapshot_id,
        step=snapshot_id,
        num_keys=12,
        keys=("stem.weight",),
        excluded_seed_keys=0,
        num_bytes=4000,
        fossilized_seeds=(),
        duration_s=0.001,
        verify_s=0.0005,
        checksum="0" * 16,
        fingerprint="f" * 16,
    )
    emit_governor_snapshot(channel, info)


def emit_rollback(channel, *, pruned_slots=("r0c1",)):
    emit_governor_panic(channel, Alarm(), series=LossSeries.CHECKS, reason=PanicReason.NAN)
    report = GovernorReport(
        reason=PanicReason.NAN,
        loss_at_panic=float("nan"),
        loss_threshold=4.6,
        consecutive_panics=1,
        attempt=1,
        actions=(EscalationAction.NEWEST_SNAPSHOT,),
        snapshot_id=4,
        from_step=6,
        to_step=5,
        num_keys=12,
        pruned_slots=pruned_slots,
        kept_fossils=(),
        removed_fossils=(),
        corrupt_snapshots=(),
        duration_s=0.002,
    )
    emit_governor_rollback(channel, report)


EVIDENCE = ProbeEvidence(
    snapshot_id=7,
    present_loss=2.5,
    snapshot_loss=0.25,
    usual_loss=None,
    difference=2.25,
    difference_low=None,
    difference_high=None,
    margin=0.5,
    num_batches=4,
    num_losses=256,
    duration_s=0.01,
)


def emit_clearing(channel, *, by=ClearedBy.COMPARISON, evidence=EVIDENCE):
    emit_governor_cleared(
        channel,
        series=LossSeries.STEPS,
        reason=PanicReason.DRIFT,
        by=by,
        step=40,
        loss=9.0,
        evidence=evidence,
    )


def emit_watched(channel, *, step=41, reason=PanicReason.DIVERGENCE, evidence=None):
    severity = Severity.SKIP if reason is None else Severity.ROLLBACK
    emit_governor_watched(
        channel, severity=severity, reason=reason, step=step, loss=9.0, evidence=evidence
    )


def emit_whole_run(channel):
    """Emit a run of eight epochs, in which one seed is fossilized and one pruned by a rollback."""
    emit_start(channel)
    emit_snapshot(channel)
    for epoch in range(1, 9):
        channel.advance(epoch=epoch)
        if epoch == 6:
            emit_rollback(channel)
            emit_pruning(channel, "r0c1", reason="rollback", initiator="governor")
        emit_epoch(channel, accuracy=80.0 + 2 * epoch, num_params=1000 if epoch < 8 else 1148)
        if epoch == 1:
            emit_germination(channel, "r0c0")
        if epoch == 2:
            emit_stage_change(channel, "r0c0", "GERMINATED", "TRAINING")
        if epoch == 3:
            emit_germination(channel, "r0c1", "norm")
        if epoch == 4:
            emit_stage_change(channel, "r0c0", "TRAINING", "BLENDING")
            emit_stage_change(channel, "r0c1", "GERMINATED", "TRAINING")
        if epoch == 6:
            emit_stage_change(channel, "r0c0", "BLENDING", "HOLDING")
            emit_stage_change(channel, "r0c1", "PRUNED", "EMBARGOED")
        if epoch == 8:
            emit_fossil(channel, "r0c0")
    emit_end(channel)


SECRET = "never-on-the-network"


def add_secrets(events):
    """Return the events with `SECRET` in every sensitive text."""
    return [
        (
            envelope,
            replace(
                payload,
                **{
                    one.name: SECRET
                    for one in EVENT_FIELDS[envelope.event]
                    if one.sensitive and one.type == "str"
                },
            ),
        )
        for envelope, payload in events
    ]


def move_log(source, folder):
    """Move the log of run folder `source` into that of `folder`, as if a writer without a lock had written it there.

    Returns the file that was written last.
    """
    target = folder / "log"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((source / "log").glob("*.jsonl")):
        rank, boot, _ = path.stem.split("-")
        place = target / f"{rank}-{boot}-{len(list(target.glob(f'{rank}-*'))):04}.jsonl"
        path.replace(place)
    return place


def configured(events, config):
    """Return events of a run of which the first one says that it has this configuration."""
    starts = [payload for _, payload in make_every_event() if payload.EVENT == "RUN_STARTED"]
    (provenance,) = (one.provenance for one in starts if one.provenance is not None)
    (envelope, started), *others = events
    return [(envelope, replace(started, provenance=replace(provenance, config=config))), *others]
