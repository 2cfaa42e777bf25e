"""The summary of a run, as text and as JSON."""

import io
import json
import time

import pytest
import torch
from rich.console import Console

import esper
from esper._generated.enums import RunOutcome
from esper._generated.records import RejuvenationEvidence
from esper._generated.run import emit_host_rejuvenated, emit_run_resumed
from esper.karn.run import read_story
from esper.karn.summary import render
from esper.karn.summary_json import as_dict
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.tolaria.training.metrics import Evaluation
from tests.kasmina.made_evidence import evidence
from tests.nissa.sample_events import (
    EVIDENCE,
    Seed,
    emit_clearing,
    emit_end,
    emit_epoch,
    emit_fossil,
    emit_germination,
    emit_pruning,
    emit_rollback,
    emit_seed_germinated,
    emit_seed_pruned,
    emit_stage_change,
    emit_start,
    emit_watched,
    emit_whole_run,
)


def story_of(folder, emit):
    with Hub("run-1") as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))
    return read_story(folder)


def shown(story, **console):
    file = io.StringIO()
    render(story, Console(file=file, **{"width": 80, **console}))
    return file.getvalue().replace(str(story.folder), "FOLDER")


def test_a_whole_run_in_plain_text(tmp_path):
    assert shown(story_of(tmp_path, emit_whole_run)) == """\
run-1  completed
trained     digits, seed 3, on cpu: 8 of 8 epochs in 12.5 s
test        not measured: the task has no test samples
validation  accuracy grown 95.50 %, host alone 92.00 % (+3.50 pp); seeds are
            kept or pruned by it
parameters  grown 1,148, host alone 1,000 (+148, +14.8 %)
seeds       2 germinated, 1 fossilized, 1 pruned
governor    1 snapshot, 1 panic, 1 rollback
telemetry   24 events

epoch     1
accuracy  ▁▂▃▄▅▆▇█
governor       R
r0c0      gTTBBHHF
r0c1      ..gTTx--
. empty  g germinated  T training  B blending  H holding  F fossilized  x pruned
- cooling down  R rollback

Slots
r0c0  conv_small (148 parameters): germinated 1, training 2, blending 4, holding
      6, fossilized 8; +1.50 pp since germination, contributes +0.75 pp
r0c1  conv_small (148 parameters): germinated 3, training 4, pruned 6 (rollback,
      by governor); +1.50 pp since germination, contributes +0.75 pp

Rollbacks
epoch 6  NAN after 1 panic in a row, loss nan; back from step 6 to snapshot 4 of
         step 5; pruned r0c1

FOLDER
"""


def test_a_terminal_gets_the_same_text_in_color(tmp_path):
    story = story_of(tmp_path, emit_whole_run)
    colored = shown(story, force_terminal=True, color_system="standard")

    assert "\x1b[1;32mcompleted" in colored
    assert "\x1b[30;42mF\x1b[0m" in colored


def test_a_console_without_unicode_gets_digits_for_bars(tmp_path):
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    render(story_of(tmp_path, emit_whole_run), Console(file=file, width=80))
    file.flush()

    assert b"accuracy  01234567\n" in file.buffer.getvalue()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_console(tmp_path, width):
    text = shown(story_of(tmp_path, emit_whole_run), width=width)

    assert max(len(line) for line in text.splitlines()) <= max(width, 32)


def test_many_epochs_share_characters(tmp_path):
    def emit(channel):
        emit_start(channel, epochs=300)
        for epoch in range(1, 301):
            channel.advance(epoch=epoch)
            emit_epoch(channel)
        emit_germination(channel, "r0c0")

    text = shown(story_of(tmp_path, emit))

    assert "epoch     1         51        101" in text
    assert f"r0c0      {'.' * 59}g\n" in text
    assert "one character is 5 epochs" in text


@pytest.mark.parametrize("outcome", list(RunOutcome))
def test_the_outcome_is_in_the_title(tmp_path, outcome):
    story = story_of(tmp_path, lambda channel: emit_end(channel, outcome=outcome, baseline=None))

    text = shown(story)

    assert text.startswith(f"run-1  {outcome.name.lower()}")
    assert "grown 95.50 %, host alone not measured" in text


def test_a_resumed_run_is_shown_as_resumed(tmp_path):
    def emit(channel):
        emit_start(channel, epochs=8)
        emit_end(channel)
        emit_run_resumed(channel, epochs_completed=8, epochs=20, superseded_events=0)

    text = shown(story_of(tmp_path, emit))

    assert text.startswith("run-1  running or crashed")
    assert "trained     digits, seed 3, on cpu: 0 of 20 epochs, resumed 1 time\n" in text


def test_a_run_without_an_end_is_running_or_crashed(tmp_path):
    text = shown(story_of(tmp_path, emit_start))

    assert text.startswith("run-1  running or crashed\n")
    assert "validation  not measured\n" in text
    assert "parameters  not in the log" in text


def test_problems_with_the_log_are_listed(tmp_path):
    def emit(channel):
        for _ in range(4):
            emit_germination(channel)
        emit_seed_germinated(channel, Seed(alpha=2.0))

    story_of(tmp_path, emit)
    (file,) = (tmp_path / "log").iterdir()
    whole = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join([whole[0], *whole[2:], b'{"seq":']))

    lines = shown(read_story(tmp_path), width=120).replace(file.name, "FILE").splitlines()

    start = lines.index("telemetry   4 events")
    assert [line.strip() for line in lines[start + 1 : start + 5]] == [
        "1 event rejected by the contract:",
        "SEED_GERMINATED.alpha must be in [0.0, 1.0], got 2.0",
        "incomplete last line left out: FILE:5, 7 bytes",
        "gap: event 2 instead of 1: FILE:2",
    ]


def test_escape_sequences_in_the_log_are_not_printed(tmp_path):
    def emit(channel):
        seed = Seed(slot_id="\x1b[2J", blueprint_id="[red]x[/red]")
        emit_seed_germinated(channel, seed)
        emit_seed_pruned(channel, seed, reason="\x07\u202e", initiator="me", auto_pruned=False)

    text = shown(story_of(tmp_path, emit), force_terminal=True, color_system=None)

    assert text.replace("\n", "").isprintable()
    assert r"\x1b[2J  [red]x[/red] (148 parameters): germinated, pruned (\x07\u202e, by me)" in text


def test_evidence_says_why_a_seed_was_kept_or_pruned(tmp_path):
    def emit(channel):
        for slot_id in ("kept", "pruned"):
            emit_germination(channel, slot_id)
        emit_fossil(channel, "kept", evidence=evidence())
        emit_pruning(channel, "pruned", evidence=evidence(low=-0.01, price=0.02))

    story = story_of(tmp_path, emit)

    text = " ".join(shown(story).split())
    assert "fossilized; kept: -0.021 nats [-0.027, -0.015] for 87 parameters pruned" in text
    assert (
        "(no gain, by policy); not kept: -0.021 nats [-0.027, +0.01] for 87 parameters, price 0.02"
        in text
    )
    kept, pruned = (slot["seeds"][0]["evidence"] for slot in as_dict(story)["slots"])
    assert (kept["mode"], kept["difference"], kept["num_params"]) == ("COUNTERFACTUAL", 0.021, 87)
    assert (pruned["low"], pruned["price"]) == (-0.01, 0.02)


def test_the_json_summary_has_stable_keys_and_plain_values(tmp_path):
    story = story_of(tmp_path, emit_whole_run)

    plain = json.loads(json.dumps(as_dict(story), allow_nan=False))

    assert list(plain) == [
        "run",
        "folder",
        "outcome",
        "task",
        "seed",
        "device",
        "epochs_planned",
        "epochs_completed",
        "resumptions",
        "duration_s",
        "metric",
        "num_test",
        "test_accuracy",
        "test_loss",
        "baseline_test_accuracy",
        "baseline_test_loss",
        "val_accuracy",
        "val_loss",
        "baseline_accuracy",
        "baseline_loss",
        "num_params",
        "num_host_params",
        "params_added",
        "num_updates",
        "num_flops",
        "num_germinated",
        "num_fossilized",
        "num_pruned",
        "num_snapshots",
        "num_skipped_steps",
        "failed_snapshots",
        "rejuvenations",
        "panics",
        "cleared",
        "watched",
        "rollbacks",
        "escalations",
        "stopped",
        "slots",
        "curve",
        "metrics",
        "error",
        "telemetry",
    ]
    assert plain["outcome"] == "COMPLETED"
    assert plain["rollbacks"][0]["loss_at_panic"] == "NaN"
    assert plain["slots"][1]["seeds"][0]["steps"][2] == {
        "epoch": 6,
        "stage": "PRUNED",
        "reason": "rollback",
        "initiator": "governor",
    }
    assert [point["val_accuracy"] for point in plain["curve"]] == [82.0 + 2 * n for n in range(8)]


def test_the_test_figures_come_first_and_the_metric_has_its_name(tmp_path):
    def emit(channel):
        emit_start(channel, num_test=539, metric="variance explained")
        emit_end(
            channel,
            test=Evaluation(loss=0.25, accuracy=50.0, losses=torch.tensor([0.25])),
            host_test=Evaluation(loss=0.375, accuracy=25.0, losses=torch.tensor([0.375])),
        )

    story = story_of(tmp_path, emit)
    plain = as_dict(story)

    assert """
test        variance explained grown 50.00 %, host alone 25.00 % (+25.00 pp)
            loss grown 0.25, host alone 0.375 (-0.1250)
validation  variance explained grown 95.50 %, host alone 92.00 % (+3.50 pp);
            seeds are kept or pruned by it
""" in shown(story)
    names = ("metric", "num_test", "test_accuracy", "baseline_test_accuracy", "test_loss")
    assert [plain[name] for name in names] == ["variance explained", 539, 50.0, 25.0, 0.25]


def test_cleared_suspicions_and_watched_actions_are_shown(tmp_path):
    def emit(channel):
        emit_clearing(channel)
        for step in (41, 50):
            emit_watched(channel, step=step, evidence=EVIDENCE)
        emit_watched(channel, step=60, reason=None)

    story = story_of(tmp_path, emit)
    text = " ".join(shown(story).split())
    plain = as_dict(story)

    assert "0 snapshots, 0 panics, 0 rollbacks, 1 suspicion cleared" in text
    assert (
        "watched only; would have acted: ROLLBACK for DIVERGENCE 2 times (first at step 41),"
        " SKIP for OVERFLOW 1 time (first at step 60)"
    ) in text
    assert [one["by"] for one in plain["cleared"]] == ["COMPARISON"]
    assert plain["cleared"][0]["evidence"]["snapshot_loss"] == 0.25
    assert [one["reason"] for one in plain["watched"]] == ["DIVERGENCE", "DIVERGENCE", None]
    assert [one["evidence"] is None for one in plain["watched"]] == [False, False, True]


def test_unknown_values_are_null(tmp_path):
    plain = as_dict(story_of(tmp_path, emit_germination))

    unknown = ("outcome", "task", "seed", "val_accuracy", "baseline_accuracy", "params_added")
    assert [plain[key] for key in unknown] == [None] * 6


@pytest.mark.parametrize("epoch", [10**6, 2**31 - 1])
def test_the_time_of_a_summary_does_not_depend_on_the_epochs(tmp_path, epoch):
    def emit(channel):
        emit_whole_run(channel)
        channel.advance(epoch=epoch)
        emit_epoch(channel)
        emit_pruning(channel, "r0c0")

    story = story_of(tmp_path, emit)
    start = time.perf_counter()
    text = shown(story)

    assert time.perf_counter() - start < 0.5
    assert f"one character is {-(-epoch // 70):,} epochs" in text
    assert max(map(len, text.splitlines())) <= 80


def test_any_number_of_seeds_steps_slots_and_rollbacks_gives_a_short_summary(tmp_path):
    def emit(channel):
        for index in range(300):
            emit_germination(channel, f"slot{index}")
        for _ in range(300):
            emit_stage_change(channel, "slot0", "TRAINING", "BLENDING")
            emit_rollback(channel)
        channel.advance(epoch=1)
        emit_epoch(channel)

    lines = shown(story_of(tmp_path, emit)).splitlines()

    assert len(lines) < 160
    assert "and 268 more slots" in lines
    assert "... and 289 more changes ..." in " ".join(map(str.strip, lines))
    assert any(line.strip() == "... and 276 more seeds ..." for line in lines)
    assert any(line.strip() == "... and 276 more rollbacks ..." for line in lines)


def test_huge_and_tiny_numbers_are_shown_in_few_characters(tmp_path):
    def emit(channel):
        emit_fossil(channel, "r0c0", improvement=1e308)
        channel.advance(epoch=1)
        for number, accuracy in enumerate((0.0, 4e-323)):
            channel.advance(epoch=1 + number)
            emit_epoch(channel, accuracy=accuracy)

    text = shown(story_of(tmp_path, emit))

    assert "+1.000e+308 pp since germination" in text


def test_rejuvenations_are_listed_with_the_losses_of_their_trial(tmp_path):
    evidence = RejuvenationEvidence(
        loss_without=0.7,
        loss_with=0.58,
        difference=0.12,
        low=0.05,
        high=0.2,
        tolerance=0.07,
        num_samples=1000,
        num_steps=160,
        num_updates=3_000_000,
    )

    def emit(channel):
        fields = {
            "after_epoch": 3,
            "shrink": 0.4,
            "perturb": 0.6,
            "includes_seeds": True,
            "duration_s": 1.0,
        }
        for trial in (
            {"trial_share": 0.1, "evidence": evidence},
            {"trial_share": 0.0, "evidence": None},
        ):
            emit_host_rejuvenated(channel, **fields, **trial, is_kept=True)

    text = shown(story_of(tmp_path, emit))

    assert "kept: -0.12 nats [-0.2, -0.05] after 160 steps of each copy" in text
    assert "without), tolerance 0.07" in text
    assert "kept: weights 0.4, fresh ones 0.6, without a trial" in text


def test_a_run_without_accuracies_has_no_row_for_them(tmp_path):
    def emit(channel):
        emit_start(channel)
        channel.advance(epoch=1)
        emit_germination(channel)

    text = shown(story_of(tmp_path / "seeds", emit))
    assert "\nepoch " in text
    assert "\naccuracy" not in text

    with esper.start_run(tmp_path, "losses") as run:
        run.epoch(1, train_loss=2.0)
    assert "\nepoch " not in shown(read_story(tmp_path / "losses"))


def test_a_log_without_its_start_does_not_say_that_there_were_no_test_samples(tmp_path):
    text = shown(story_of(tmp_path, emit_epoch))

    assert "test        not measured, or not in the log" in text
