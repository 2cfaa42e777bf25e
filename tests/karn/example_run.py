"""Writes a rich run quickly, without training: every event of the contract at least once.

    folder = write_example_run(tmp_path / "example")
    story = read_story(folder)

Rank 0 starts the run, is killed after epoch 26 and resumed from a checkpoint after epoch 24; rank 1 trains beside it. Slots
of two environments have seeds that are fossilized, pruned by the policy and by a rollback, and still in training. The
governor clears suspicions, rolls back, escalates and recovers. It is the same run each time, byte by byte.
"""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

from esper._generated.codec import encode_line
from esper._generated.enums import (
    ClearedBy,
    EscalationAction,
    EvidenceMode,
    Gate,
    GateCheck,
    LossSeries,
    PanicReason,
    RunOutcome,
    SeedStage,
    Severity,
)
from esper._generated.envelope import make_envelope
from esper._generated.records import (
    GpuSample,
    HubSinkCounts,
    ProbeEvidence,
    Provenance,
    RejuvenationEvidence,
    SeedEvidence,
    SeedStatus,
)
from esper._generated.registry import EVENTS
from esper.testing.sample_events import make_every_event

RUN_ID = "20260105-090000-digits-s3-e5a1"
NUM_EPOCHS = 40
_START_NS = 1_767_603_600_000_000_000
_EPOCH_NS = 2_000_000_000
_STEPS = 23
"""Optimizer steps of an epoch."""
_KILLED_AFTER, _RESUMED_AFTER = 26, 24
_EXAMPLES = {envelope.event: payload for envelope, payload in reversed(make_every_event())}
"""A valid payload of every event."""


def write_example_run(folder, *, is_finished=True):
    """Write the example run to `folder`, which is made, and return it; without its end unless `is_finished`."""
    log = Path(folder) / "log"
    log.mkdir(parents=True)
    for name, lines in example_lines(is_finished=is_finished).items():
        (log / name).write_bytes(b"".join(lines))
    settings = {"task": "digits", "seed": 3, "epochs": NUM_EPOCHS}
    (Path(folder) / "settings.json").write_text(json.dumps(settings))
    return Path(folder)


def example_lines(*, is_finished=True):
    """Return the lines of each file of the example run's log, by the name of the file."""
    first, second, other = _Writer(0, "a1"), _Writer(0, "b2"), _Writer(1, "c3")
    _start(first)
    for epoch in range(1, _KILLED_AFTER + 1):
        if epoch == _RESUMED_AFTER + 1:
            second.seq = first.seq
        _train(first, epoch)
    _emit_resumption(second)
    for epoch in range(_RESUMED_AFTER + 1, NUM_EPOCHS + 1):
        _train(second, epoch)
    if is_finished:
        _finish(second)
    _start(other)
    for epoch in range(1, NUM_EPOCHS + 1):
        _train_beside(other, epoch)
    return {
        f"{one.rank}-{one.boot}-{one.number:04}.jsonl": one.lines for one in (first, second, other)
    }


class _Writer:
    """A process that writes a log."""

    def __init__(self, rank, boot):
        self.rank, self.boot = rank, boot
        self.number = 1 if boot == "b2" else 0
        self.lines = []
        self.seq = 0
        self.epoch = None
        self.time_ns = _START_NS + rank * 1_000_000

    def emit(self, event, /, *, env_id=0, **values):
        """Write an event; fields that are not given have the values of an example."""
        payload_type = EVENTS[event]
        if "env_id" in payload_type.__slots__:
            values["env_id"] = env_id
        payload = replace(_EXAMPLES[event], **values)
        envelope = make_envelope(
            seq=self.seq,
            t_wall_ns=self.time_ns,
            t_mono_ns=self.time_ns - _START_NS,
            run=RUN_ID,
            rank=self.rank,
            boot=self.boot,
            epoch=self.epoch,
            event=event,
        )
        self.lines.append(encode_line(envelope, payload))
        self.seq += 1
        self.time_ns += 1_000_000


def _provenance():
    return Provenance(
        python_version="3.11.7",
        contract_version="1.1.0",
        platform="Linux 6.1 x86_64",
        processor="Example CPU",
        num_cpus=2,
        num_threads=1,
        accelerators=(),
        host_name="example-host",
        command=("esper", "train", "--task", "digits"),
        git_commit="0123456789abcdef0123456789abcdef01234567",
        is_git_dirty=True,
        seeds={"torch": "3"},
        data_hashes={"train": "aa" * 8},
        config={"optimizer.lr": "0.05", "optimizer.name": '"SGD"', "policy": '"heuristic"'},
    )


def _start(writer):
    writer.emit(
        "RUN_STARTED",
        task="digits",
        seed=3,
        epochs=NUM_EPOCHS,
        device="cpu",
        num_host_params=1009,
        slot_ids=("r0c0", "r0c1", "r0c2"),
        num_train=1437,
        num_validation=180,
        num_test=180,
        metric="accuracy",
        esper_version="0.2.0",
        torch_version="2.13.0",
        provenance=_provenance(),
    )
    writer.emit(
        "TELEMETRY_REJECTED",
        event="METRICS_LOGGED",
        field="metrics",
        rule="must be a float",
        got="'high'",
    )
    for sink in ("tensorboard", "otlp"):
        writer.emit(
            "SINK_STARTED",
            sink=sink,
            run_id=RUN_ID,
            esper_version="0.2.0",
            events=("*",),
            min_level="debug",
        )
        writer.emit(
            "SINK_STATS", sink=sink, num_written=12, num_bytes=4000, waiting_bytes=250, lag_s=0.25
        )
    writer.emit(
        "SINK_FAILED", sink="otlp", failures_in_a_row=2, delay_s=2.0, message="connection refused"
    )


def _emit_resumption(writer):
    writer.time_ns = _START_NS + 60 * _EPOCH_NS
    writer.emit(
        "RUN_RESUMED",
        epochs_completed=_RESUMED_AFTER,
        epochs=NUM_EPOCHS,
        superseded_events=30,
        provenance=_provenance(),
    )
    # The user's own loop around it reports, too.
    writer.emit(
        "LOOP_STARTED", task="digits", epochs=NUM_EPOCHS, slot_ids=("r0c0",), provenance=None
    )


def evidence(look, *, mode=EvidenceMode.COUNTERFACTUAL, difference=0.02, price=0.004):
    """Return a comparison of a seed; its interval shrinks from look to look."""
    half = 0.03 / math.sqrt(look)
    return SeedEvidence(
        mode=mode,
        difference=difference,
        low=difference - half,
        high=difference + half,
        confidence=0.975,
        num_samples=360 * look,
        look=look,
        seed_number=1,
        price=price,
        num_params=148,
        duration_s=0.01,
    )


def probe(present=2.5, snapshot=0.25):
    """Return a comparison of the present weights with a snapshot."""
    return ProbeEvidence(
        snapshot_id=3,
        present_loss=present,
        snapshot_loss=snapshot,
        usual_loss=0.3,
        difference=present - snapshot,
        difference_low=present - snapshot - 0.1,
        difference_high=present - snapshot + 0.1,
        margin=0.5,
        num_batches=4,
        num_losses=256,
        duration_s=0.01,
    )


_PLAN = {
    # Epoch: events of seeds as (environment, slot, blueprint, event or stages, details).
    2: [(0, "r0c0", "conv_small", "germinate")],
    3: [(0, "r0c0", "conv_small", "GERMINATED>TRAINING"), (1, "r0c2", "norm", "germinate")],
    4: [(1, "r0c2", "norm", "GERMINATED>TRAINING")],
    6: [(0, "r0c0", "conv_small", "refuse"), (0, "r0c1", "attention", "germinate")],
    7: [(0, "r0c1", "attention", "GERMINATED>TRAINING")],
    8: [(0, "r0c0", "conv_small", "TRAINING>BLENDING"), (1, "r0c2", "norm", "prune")],
    9: [(1, "r0c2", "norm", "PRUNED>EMBARGOED")],
    11: [(1, "r0c2", "norm", "EMBARGOED>RESETTING")],
    12: [(0, "r0c0", "conv_small", "BLENDING>HOLDING"), (1, "r0c2", "norm", "RESETTING>DORMANT")],
    14: [(0, "r0c1", "attention", "rolled back")],
    15: [(0, "r0c1", "attention", "PRUNED>EMBARGOED")],
    16: [(0, "r0c0", "conv_small", "fossilize")],
    20: [(0, "r0c1", "conv_small", "germinate")],
    21: [(0, "r0c1", "conv_small", "GERMINATED>TRAINING")],
    # After the checkpoint, so in both processes.
    26: [(0, "r0c1", "conv_small", "TRAINING>BLENDING")],
    30: [(0, "r0c1", "conv_small", "BLENDING>HOLDING")],
    34: [(0, "r0c1", "conv_small", "fossilize")],
    36: [(0, "r0c2", "depthwise", "germinate")],
    37: [(0, "r0c2", "depthwise", "GERMINATED>TRAINING")],
}
_GATES = {"TRAINING": Gate.G1, "BLENDING": Gate.G2, "HOLDING": Gate.G3, "FOSSILIZED": Gate.G5}


def _seed_event(writer, env_id, slot_id, blueprint_id, what):
    """Write the events of one change of a seed."""
    epoch = writer.epoch
    place = {"env_id": env_id, "slot_id": slot_id}
    gradient = {
        "grad_ratio": 0.2 + 0.01 * epoch,
        "has_vanishing": epoch == 7,
        "has_exploding": False,
    }

    def change(from_stage, to_stage, alpha):
        writer.emit(
            "SEED_STAGE_CHANGED",
            from_stage=SeedStage[from_stage],
            to_stage=SeedStage[to_stage],
            alpha=alpha,
            accuracy_delta=0.4 * (to_stage in _GATES),
            epochs_in_stage=3,
            **gradient,
            **place,
        )

    def gate(stage, *, passed=True):
        checks = (GateCheck.EPOCHS_IN_STAGE, GateCheck.IMPROVEMENT)
        writer.emit(
            "SEED_GATE_EVALUATED",
            gate=_GATES[stage],
            passed=passed,
            target_stage=SeedStage[stage],
            checks_passed=checks if passed else checks[:1],
            checks_failed=() if passed else checks[1:],
            message="difference 0.020 [-0.010, 0.050] nats, price 0.004",
            evidence=evidence(max(1, epoch // 4)),
            **place,
        )

    ends = {"blueprint_id": blueprint_id, "epochs_total": 6, **place}
    match what:
        case "germinate":
            writer.emit(
                "SEED_GERMINATED",
                blueprint_id=blueprint_id,
                params=148,
                alpha=0.0,
                blend_tempo_epochs=4,
                **gradient,
                **place,
            )
        case "refuse":
            gate("BLENDING", passed=False)
        case "prune":
            change("TRAINING", "PRUNED", 0.0)
            writer.emit(
                "SEED_PRUNED",
                reason="no gain after 5 epochs",
                initiator="policy",
                auto_pruned=False,
                improvement=-0.3,
                counterfactual=-0.1,
                evidence=evidence(3, mode=EvidenceMode.SHADOW, difference=-0.01),
                **ends,
            )
        case "rolled back":
            change("TRAINING", "PRUNED", 0.0)
            writer.emit(
                "SEED_PRUNED",
                reason="rollback",
                initiator="governor",
                auto_pruned=True,
                improvement=-4.0,
                counterfactual=None,
                evidence=None,
                **ends,
            )
        case "fossilize":
            gate("FOSSILIZED")
            change("HOLDING", "FOSSILIZED", 1.0)
            writer.emit(
                "SEED_FOSSILIZED",
                improvement=1.9,
                params_added=148,
                alpha=1.0,
                counterfactual=1.2,
                evidence=evidence(9),
                **ends,
            )
        case stages:
            from_stage, to_stage = stages.split(">")
            if to_stage in _GATES:
                gate(to_stage)
            change(from_stage, to_stage, 1.0 if to_stage == "HOLDING" else 0.0)


def _seed_statuses(epoch):
    """Return the states of the slots of environment 0 at the end of an epoch."""
    statuses = []
    if epoch >= 2:
        alpha = min(1.0, max(0.0, (epoch - 8) / 4))
        stage = (
            SeedStage.FOSSILIZED
            if epoch >= 16
            else (
                SeedStage.HOLDING
                if epoch >= 12
                else SeedStage.BLENDING if epoch >= 8 else SeedStage.TRAINING
            )
        )
        statuses.append(
            SeedStatus(
                slot_id="r0c0",
                stage=stage,
                alpha=alpha,
                epochs_in_stage=epoch % 4,
                blueprint_id="conv_small",
                num_params=148,
                grad_ratio=0.2 + 0.05 * math.sin(epoch),
                contribution=1.2 if epoch >= 12 else None,
                evidence=evidence(epoch // 4) if epoch >= 4 else None,
            )
        )
    if 6 <= epoch < 14 or epoch >= 20:
        alpha = min(1.0, max(0.0, (epoch - 26) / 4)) if epoch >= 20 else 0.0
        statuses.append(
            SeedStatus(
                slot_id="r0c1",
                stage=SeedStage.TRAINING,
                alpha=alpha,
                epochs_in_stage=epoch % 5,
                blueprint_id="conv_small" if epoch >= 20 else "attention",
                num_params=148,
                grad_ratio=0.4,
                contribution=None,
                evidence=None,
            )
        )
    return tuple(statuses)


def _val_loss(epoch):
    return (
        math.nan if epoch == 14 else 1.8 * math.exp(-epoch / 9) + 0.2 + 0.03 * math.sin(3 * epoch)
    )


def _train(writer, epoch):
    """Write an epoch of rank 0."""
    writer.epoch = epoch
    step = epoch * _STEPS
    for part in range(3):
        writer.emit(
            "METRICS_LOGGED",
            env_id=-1,
            step=step - _STEPS + 7 * part,
            metrics={"batch_loss": _val_loss(epoch) + 0.05 * part, "momentum": 0.9},
            num_left_out=part,
        )
    _govern(writer, epoch, step)
    for env_id, slot_id, blueprint_id, what in _PLAN.get(epoch, []):
        _seed_event(writer, env_id, slot_id, blueprint_id, what)
    if epoch == 18:
        _rejuvenate(writer)
    accuracy = 97.0 - 40 * math.exp(-epoch / 8)
    writer.emit(
        "EPOCH_COMPLETED",
        train_loss=1.7 * math.exp(-epoch / 9) + 0.15,
        train_accuracy=accuracy,
        val_loss=_val_loss(epoch),
        val_accuracy=accuracy - 1.0,
        host_grad_norm=1.5 / epoch,
        learning_rate=0.05 * (1 + math.cos(math.pi * epoch / NUM_EPOCHS)) / 2,
        num_params=1009 + 148 * len(_seed_statuses(epoch)),
        severity=(
            Severity.ROLLBACK if epoch == 14 else Severity.PANIC if epoch == 10 else Severity.OK
        ),
        seeds=_seed_statuses(epoch),
        duration_s=1.8,
    )
    writer.time_ns = max(writer.time_ns, _START_NS + epoch * _EPOCH_NS)
    if writer.boot == "b2":
        writer.time_ns = _START_NS + (60 + epoch - _RESUMED_AFTER) * _EPOCH_NS


def _govern(writer, epoch, step):
    """Write the events of the governor in an epoch."""
    if epoch % 3 == 1:
        writer.emit(
            "GOVERNOR_SNAPSHOT",
            snapshot_id=epoch // 3,
            step=step,
            num_bytes=4000 + epoch,
            num_keys=12,
        )
    if epoch == 5:
        writer.emit(
            "GOVERNOR_CLEARED",
            series=LossSeries.STEPS,
            reason=PanicReason.DRIFT,
            by=ClearedBy.COMPARISON,
            step=step,
            loss=2.0,
            evidence=probe(2.0, 1.9),
        )
        writer.emit(
            "GOVERNOR_WATCHED",
            severity=Severity.ROLLBACK,
            reason=PanicReason.DIVERGENCE,
            step=step,
            loss=9.0,
        )
    if epoch == 10:
        writer.emit(
            "GOVERNOR_PANIC",
            series=LossSeries.CHECKS,
            reason=PanicReason.DIVERGENCE,
            severity=Severity.PANIC,
            loss=3.5,
            loss_threshold=2.9,
            statistic=7.5,
            consecutive_panics=1,
        )
        writer.emit(
            "GOVERNOR_STEP_SKIPPED", step=step, loss=3.5, grad_norm=math.inf, skips_in_a_row=1
        )
        writer.emit(
            "GOVERNOR_SNAPSHOT_FAILED",
            snapshot_id=4,
            step=step,
            message="parameter stem.weight holds NaN",
        )
    if epoch == 14:
        _roll_back(writer, step, PanicReason.NAN, attempt=1)
        _roll_back(writer, step + 1, PanicReason.DIVERGENCE, attempt=2)
        writer.emit(
            "GOVERNOR_ESCALATED",
            attempt=2,
            budget=3,
            actions=(EscalationAction.OLDER_SNAPSHOT, EscalationAction.LOWER_LEARNING_RATE),
            learning_rate_factor=0.5,
            batches_to_skip=4,
            epochs_to_hold=3,
        )
    if epoch == 19:
        writer.emit("GOVERNOR_RECOVERED", step=step, attempts=2)


def _roll_back(writer, step, reason, *, attempt):
    writer.emit(
        "GOVERNOR_PANIC",
        series=LossSeries.CHECKS,
        reason=reason,
        severity=Severity.ROLLBACK,
        loss=math.nan if reason is PanicReason.NAN else 8.0,
        loss_threshold=2.9,
        statistic=None,
        consecutive_panics=1,
    )
    writer.emit(
        "GOVERNOR_ROLLBACK",
        reason=reason,
        loss_at_panic=math.nan if reason is PanicReason.NAN else 8.0,
        loss_threshold=2.9,
        consecutive_panics=1,
        attempt=attempt,
        actions=(EscalationAction.NEWEST_SNAPSHOT,),
        snapshot_id=4,
        from_step=step,
        to_step=step - 2 * _STEPS,
        num_keys=12,
        pruned_slots=("r0c1",),
        evidence=None if reason is PanicReason.NAN else probe(),
        duration_s=0.002,
    )


def _rejuvenate(writer):
    writer.emit(
        "HOST_REJUVENATED",
        shrink=0.6,
        perturb=0.1,
        includes_seeds=False,
        trial_share=0.2,
        is_kept=True,
        evidence=RejuvenationEvidence(
            loss_without=0.42,
            loss_with=0.38,
            difference=0.04,
            low=0.01,
            high=0.07,
            tolerance=0.01,
            num_samples=180,
            num_steps=100,
            num_updates=200_000,
        ),
        duration_s=1.2,
    )


def _finish(writer):
    writer.emit(
        "RUN_FINISHED",
        outcome=RunOutcome.COMPLETED,
        epochs_completed=NUM_EPOCHS,
        val_accuracy=95.7,
        baseline_accuracy=93.1,
        num_host_params=1009,
        num_params=1305,
        duration_s=80.0,
        val_loss=0.22,
        baseline_loss=0.31,
        test_loss=0.25,
        test_accuracy=95.0,
        baseline_test_loss=0.33,
        baseline_test_accuracy=92.2,
    )


def _train_beside(writer, epoch):
    """Write an epoch of rank 1: samples of the machine, counts of the hub, and an own loop in environment 1."""
    writer.epoch = epoch
    writer.time_ns = _START_NS + epoch * _EPOCH_NS + 1_000_000
    writer.emit(
        "SYSTEM_SAMPLED",
        cpu_utilization=50.0 + 20 * math.sin(epoch),
        process_cpus=0.9,
        process_memory_bytes=300_000_000 + 1_000_000 * epoch,
        num_process_threads=9,
        memory_used_bytes=2_000_000_000,
        memory_total_bytes=8_000_000_000,
        disk_free_bytes=50_000_000_000 - 1_000_000 * epoch,
        disk_total_bytes=100_000_000_000,
        gpus=(
            GpuSample(
                gpu="0",
                utilization=80.0,
                memory_used_bytes=4_000_000_000,
                memory_total_bytes=16_000_000_000,
                temperature=55.0 + epoch % 5,
                power=None,
            ),
        ),
    )
    writer.emit(
        "HUB_STATS",
        num_accepted=10 * epoch,
        num_written=10 * epoch,
        num_bytes=3000 * epoch,
        lag_s=0.01,
        sinks=(
            HubSinkCounts(
                sink="ConsoleSink",
                num_written=9 * epoch,
                num_failed=0,
                num_dropped=epoch,
                num_waiting=1,
            ),
        ),
    )
    writer.emit(
        "LOOP_EPOCH_COMPLETED",
        env_id=1,
        train_loss=1.9 * math.exp(-epoch / 12) + 0.2,
        train_accuracy=None,
        val_loss=2.0 * math.exp(-epoch / 12) + 0.3,
        val_accuracy=90 - 30 * math.exp(-epoch / 10),
        learning_rate=0.01,
        metrics={"f1": 0.5 + 0.01 * epoch},
        num_params=1009,
        severity=Severity.OK,
        seeds=(),
        duration_s=1.9,
    )
    if epoch == NUM_EPOCHS:
        writer.emit(
            "GOVERNOR_STOPPED",
            env_id=1,
            reason=PanicReason.DIVERGENCE,
            step=epoch * _STEPS,
            budget=3,
            window=200,
            tried=(EscalationAction.NEWEST_SNAPSHOT,),
            snapshot_ids=(4,),
            message="3 rollbacks within 200 steps have not helped",
        )


def _check():
    """Print how many events of each kind the run has, and name those that it lacks."""
    counts = {}
    for lines in example_lines().values():
        for line in lines:
            event = json.loads(line)["event"]
            counts[event] = counts.get(event, 0) + 1
    print(counts, "missing:", sorted(set(EVENTS) - set(counts)), len(fields(SeedStatus)))


if __name__ == "__main__":
    _check()
