"""`esper explain`: each rule is triggered by one run and not by another, and every sentence leads to events of the log."""

import json
import math
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper._generated.enums import Gate, GateCheck, PanicReason, RunOutcome, SeedStage, SkipCause
from esper.cli import main
from esper.karn.explain.explanation import as_json, describe, explain
from esper.karn.run import read_story
from esper.testing.sample_events import make_every_event
from tests.karn.example_run import _EXAMPLES, evidence, probe, write_example_run
from tests.karn.made_run import fall, make_story
from tests.karn.missing_fields import SOME_FIELDS, write_without

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "runs"


def rules(story, *kinds):
    return {one.rule for one in explain(story) if one.kind in (kinds or ("wrong", "try"))}


def at(epoch, event, /, **values):
    """Return a function that emits an event in an epoch, or in each of several."""
    epochs = range(epoch, epoch + 1) if isinstance(epoch, int) else epoch

    def emit(writer, now):
        if now in epochs:
            writer.emit(event, **values)

    return emit


def plant(writer, number=0):
    writer.emit("SEED_GERMINATED", slot_id=f"r0c{number}", blueprint_id="norm", params=8, alpha=0.0)


def remove(number):
    def emit(writer, epoch):
        if epoch == 3:
            for one in range(number):
                plant(writer, one)
                writer.emit(
                    "SEED_PRUNED",
                    slot_id=f"r0c{one}",
                    blueprint_id="norm",
                    reason="x",
                    evidence=None,
                )

    return emit


def keep(**values):
    def emit(writer, epoch):
        if epoch == 3:
            plant(writer)
            writer.emit(
                "SEED_FOSSILIZED",
                slot_id="r0c0",
                blueprint_id="norm",
                evidence=evidence(9, **values),
            )

    return emit


def gate(number, *, passed=False):
    def emit(writer, epoch):
        if epoch == 2:
            plant(writer)
        if 3 <= epoch < 3 + number:
            writer.emit(
                "SEED_GATE_EVALUATED",
                slot_id="r0c0",
                gate=Gate.G2,
                passed=passed and epoch == 3,
                target_stage=SeedStage.BLENDING,
                checks_passed=(),
                checks_failed=(GateCheck.IMPROVEMENT,),
                evidence=None,
            )
        if epoch == 15:
            writer.emit("SEED_FOSSILIZED", slot_id="r0c0", blueprint_id="norm", evidence=None)

    return emit


def gradients(**flags):
    def emit(writer, epoch):
        if epoch == 2:
            plant(writer)
        if epoch in (3, 4, 5):
            writer.emit(
                "SEED_STAGE_CHANGED",
                slot_id="r0c0",
                from_stage=SeedStage.TRAINING,
                to_stage=SeedStage.BLENDING,
                grad_ratio=0.1,
                **({"has_vanishing": False, "has_exploding": False} | flags),
            )
        if epoch == 6:
            writer.emit("SEED_FOSSILIZED", slot_id="r0c0", blueprint_id="norm", evidence=None)

    return emit


def roll_back(*epochs, lost=10, **values):
    values = {"reason": PanicReason.DIVERGENCE, "evidence": None, "attempt": 1} | values
    return at(epochs, "GOVERNOR_ROLLBACK", from_step=1000, to_step=1000 - lost, **values)


def skip(number, cause=SkipCause.DATA):
    def emit(writer, epoch):
        if epoch == 3:
            for _ in range(number):
                writer.emit("GOVERNOR_STEP_SKIPPED", cause=cause, step=1000)

    return emit


def sample(memory=lambda index: 1 << 30, *, free=50, used=50, busy=50.0, own=1.0):
    def emit(writer, epoch):
        for part in range(2):
            writer.emit(
                "SYSTEM_SAMPLED",
                cpu_utilization=busy,
                process_cpus=own,
                process_memory_bytes=memory(2 * epoch + part),
                memory_used_bytes=used,
                memory_total_bytes=100,
                disk_free_bytes=free,
                disk_total_bytes=100,
                gpus=(),
            )

    return emit


def with_processors(story):
    provenance = replace(_EXAMPLES["RUN_STARTED"].provenance or PROVENANCE, num_cpus=4)
    return replace(story, provenance=provenance)


PROVENANCE = next(
    payload.provenance
    for _, payload in make_every_event()
    if getattr(payload, "provenance", None) is not None
)


def rise(epoch):
    return fall(min(epoch, 10)) + 0.02 * max(epoch - 10, 0)


CASES = {
    # Rule: a run that triggers it, and one that comes near.
    "overfitting": ({"val": rise}, {"val": lambda epoch: fall(epoch) + 0.0005 * epoch}),
    "divergence": (
        {"val": lambda e: fall(e) + 2 * (e > 15), "train": lambda e: fall(e) + 2 * (e > 15)},
        {"val": lambda e: fall(e) + 0.1 * (e > 17), "train": lambda e: fall(e) + 0.1 * (e > 17)},
    ),
    "no_learning": ({"val": lambda e: 2.3, "train": lambda e: 2.3}, {"val": fall}),
    "loss_not_finite": (
        {"val": lambda e: math.nan if e == 20 else fall(e)},
        {"val": lambda e: math.nan if e == 10 else fall(e)},
    ),
    "plateau": ({"val": lambda e: fall(min(e, 12))}, {"val": fall}),
    "ended_above_best": (
        {"val": lambda e: fall(min(e, 12)) * (1.3 if e > 12 else 1), "train": lambda e: 1.0},
        {"val": lambda e: fall(min(e, 12)) * (1.1 if e > 12 else 1), "train": lambda e: 1.0},
    ),
    "still_falling": ({"val": lambda e: 2.0 - 0.09 * e}, {"val": fall}),
    "worse_than_host": (
        {"val_accuracy": 80.0, "baseline_accuracy": 90.0},
        {"val_accuracy": 89.0, "baseline_accuracy": 90.0},
    ),
    "no_seed_kept": ({"during": remove(3)}, {"during": remove(2)}),
    "kept_without_evidence": (
        {"during": keep(difference=0.005)},
        {"during": keep(difference=0.05)},
    ),
    "gate_never_passed": ({"during": gate(3)}, {"during": gate(4, passed=True)}),
    "exploding_gradient": ({"during": gradients(has_exploding=True)}, {"during": gradients()}),
    "vanishing_gradient": ({"during": gradients(has_vanishing=True)}, {"during": gradients()}),
    "not_decided": ({"during": lambda w, e: e == 3 and plant(w)}, {"during": remove(1)}),
    "stopped": ({"during": at(20, "GOVERNOR_STOPPED", message="gave up")}, {}),
    "many_rollbacks": ({"during": roll_back(3, 6, 9)}, {"during": roll_back(3, 6)}),
    "not_finite": (
        {"during": roll_back(3, reason=PanicReason.GRADIENT)},
        {"during": roll_back(3, reason=PanicReason.DRIFT)},
    ),
    "rollback_in_vain": (
        {"during": roll_back(6), "val": lambda e: 5.0 if e == 6 else fall(e)},
        {"during": roll_back(6)},
    ),
    "steps_lost": ({"during": roll_back(3, lost=101)}, {"during": roll_back(3, lost=99)}),
    "skipped_steps": ({"during": skip(11)}, {"during": skip(10)}),
    "false_alarms": (
        {"during": at(range(3, 8), "GOVERNOR_CLEARED", evidence=None)},
        {"during": at(range(3, 7), "GOVERNOR_CLEARED", evidence=None)},
    ),
    "snapshot_failed": ({"during": at(3, "GOVERNOR_SNAPSHOT_FAILED", message="NaN")}, {}),
    "watched_only": ({"during": at(3, "GOVERNOR_WATCHED", evidence=None)}, {}),
    "interrupted": ({"outcome": RunOutcome.INTERRUPTED}, {}),
    "failed": ({"outcome": RunOutcome.FAILED, "error_type": "ValueError"}, {}),
    "no_end": ({"end": False}, {}),
    "rejected_events": ({"during": at(3, "TELEMETRY_REJECTED", event="X", rule="must be")}, {}),
    "lost_events": (
        {"during": at(3, "HUB_STATS", num_lost=2)},
        {"during": at(3, "HUB_STATS", num_lost=0)},
    ),
    "sink_failed": (
        {"during": at(3, "SINK_FAILED", sink="otlp", message="refused")},
        {
            "before": lambda w: w.emit("SINK_FAILED", sink="otlp", message="refused"),
            "during": at(3, "SINK_STATS", sink="otlp", lag_s=1.0),
        },
    ),
    "sink_lags": (
        {"during": at(3, "SINK_STATS", sink="otlp", lag_s=61.0)},
        {"during": at(3, "SINK_STATS", sink="otlp", lag_s=59.0)},
    ),
    "disk_nearly_full": ({"during": sample(free=4)}, {"during": sample(free=6)}),
    "memory_nearly_full": ({"during": sample(used=96)}, {"during": sample(used=94)}),
    "memory_grows": (
        {"during": sample(lambda index: (1 << 24) * index**2)},
        {"during": sample(lambda index: (1 << 30) * min(index, 12))},
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_speaks_where_a_threshold_is_crossed_only(rule, tmp_path):
    triggers, comes_near = CASES[rule]

    story = make_story(tmp_path / "bad", **triggers)
    found = [one for one in explain(story) if one.rule == rule]

    # A torn line or a missing field needs no advice; all else does.
    assert any(one.kind == "try" for one in found)
    assert all(one.numbers and one.events for one in found)
    assert rule not in rules(make_story(tmp_path / "good", **comes_near))


def test_a_run_in_which_all_is_well_gets_no_advice(tmp_path):
    story = make_story(tmp_path)

    assert rules(story) == set()
    assert explain(story)[-1].rule == "all_well"


def test_a_run_that_died_is_resumed(tmp_path):
    story = make_story(tmp_path / "mine", end=False)
    dead = replace(story, progress=replace(story.progress, is_alive=False))
    alive = replace(story, progress=replace(story.progress, is_alive=True))

    advice = next(one for one in explain(dead) if one.kind == "try")
    assert (advice.rule, "esper train --resume mine" in advice.text) == ("died", True)
    assert rules(alive) == set()


def test_other_processes_starve_a_run(tmp_path):
    few = make_story(tmp_path / "few", during=sample(busy=99.0, own=0.5))
    most = make_story(tmp_path / "most", during=sample(busy=99.0, own=3.5))

    assert "starved" in rules(with_processors(few))
    assert "starved" not in rules(with_processors(most))


def test_a_damaged_log_is_named(tmp_path):
    folder = write_example_run(tmp_path / "run")
    file = folder / "log" / "0-b2-0001.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:5], b"{}\n", *lines[7:], b'{"seq"']))

    assert {"damaged_lines", "gaps", "torn_line"} <= rules(read_story(folder))
    assert {"damaged_lines", "gaps", "torn_line"} & rules(
        read_story(write_example_run(tmp_path / "whole"))
    ) == set()


@pytest.mark.parametrize(
    ("after", "helped", "text"),
    [(0.3, True, "It helped"), (5.0, False, "It did not help")],
)
def test_a_rollback_says_whether_it_helped(tmp_path, after, helped, text):
    during = at(6, "GOVERNOR_ROLLBACK", from_step=100, to_step=90, evidence=probe())
    story = make_story(tmp_path, during=during, val=lambda e: after if e == 6 else fall(e))

    found = next(one for one in explain(story) if one.rule == "rollback")
    assert (found.numbers["helped"], text in found.text) == (helped, True)
    assert found.numbers["difference"] == 2.25


def test_a_rollback_is_not_judged_by_losses_from_before_it_or_of_a_trial(tmp_path):
    def during(writer, epoch):
        if epoch == 6:
            # The epoch at whose end the governor acts reports the loss that it saw.
            writer.emit("GOVERNOR_ROLLBACK", loss_at_panic=9.0, from_step=9, to_step=8)
        if epoch == 12:
            writer.emit("GOVERNOR_ROLLBACK", loss_at_panic=None, from_step=19, to_step=19)
        if epoch == 14:
            writer.emit("HOST_REJUVENATED", after_epoch=11, is_kept=False)

    worse = {6: 9.0, 12: 5.0, 13: 5.0, 14: 5.0}
    story = make_story(tmp_path, during=during, val=lambda e: worse.get(e, fall(e)))

    helped, unknown = [one for one in explain(story) if one.rule == "rollback"]
    assert (helped.numbers["helped"], "the decision loss of epoch 7" in helped.text) == (True, True)
    assert (unknown.numbers["helped"], "rejuvenated on trial" in unknown.text) == (None, True)
    assert "which was taken after the same step, 19" in unknown.text
    assert not any("undid" in one.text for one in explain(make_story(tmp_path / "whole")))


def test_nothing_is_said_of_growth_and_budgets_that_there_were_not(tmp_path):
    def during(writer, epoch):
        if epoch == 3:
            plant(writer)

    story = make_story(tmp_path, during=during, num_params=1000)
    texts = [one.text for one in explain(story) if one.rule in ("result", "parameters")]

    assert "The network has 1,000 parameters, as many as the host: growing added none." in texts
    assert not any("+0" in text or "budget" in text for text in texts)


def test_the_page_shows_what_the_command_prints():
    page = (ROOT / "docs" / "howto" / "explain_runs.md").read_text(encoding="utf-8")
    sample = page.partition("    esper explain resumed\n\n")[2].partition("\nThe brackets")[0]
    findings = explain(read_story(GOLDEN / "resumed"))

    printed = list(describe(findings, width=110))
    shown = [line.removeprefix("    ") for line in sample.rstrip().splitlines()]
    cut = shown.index("...")
    listed = json.dumps(as_json(findings), indent=2)

    assert shown[:cut] == printed[:cut]
    assert shown[cut + 1 :] == printed[cut + 1 - len(shown) :]
    assert page.partition("```json\n")[2].partition("\n```")[0] in textwrap.dedent(
        listed.replace("\n  ", "\n")
    )


@pytest.mark.parametrize("folder", [None, GOLDEN / "resumed", GOLDEN / "torn"])
def test_every_sentence_leads_to_events_of_the_log(folder, tmp_path):
    folder = folder or write_example_run(tmp_path / "run")
    logged = {
        (line["rank"], line["boot"], line["seq"]): line["event"]
        for file in (folder / "log").glob("*.jsonl")
        for line in map(json.loads, file.read_text().splitlines()[:-1] or [])
    }

    findings = explain(read_story(folder))

    assert all(one.events for one in findings if one.rule not in ("torn_line",))
    for finding in findings:
        for one in finding.events:
            # The last line may be torn, and is not among those above.
            assert logged.get((one.rank, one.boot, one.seq), one.event) == one.event


@pytest.mark.parametrize("field", SOME_FIELDS)
def test_explanations_stand_without_a_field(field, tmp_path):
    findings = explain(read_story(write_without(tmp_path, field)))

    json.dumps(as_json(findings))
    assert len(findings) > 10


def test_hostile_texts_are_escaped(tmp_path, capsys):
    name = "\x1b[31m\u202e<b>|=1+1\n"

    def during(writer, epoch):
        if epoch == 3:
            writer.emit("SEED_GERMINATED", slot_id=name, blueprint_id=name, params=8, alpha=0.0)
            writer.emit("SEED_PRUNED", slot_id=name, blueprint_id=name, reason=name, evidence=None)
            writer.emit("GOVERNOR_STOPPED", message=name)
            writer.emit("SINK_FAILED", sink=name, message=name)
            writer.emit("TELEMETRY_REJECTED", event=name, field=name, rule=name, got=name)

    make_story(tmp_path / "run", during=during, error_type=name, outcome=RunOutcome.FAILED)

    for arguments in (["--json"], ["--events"], []):
        assert main(["explain", str(tmp_path / "run"), *arguments]) == 0
        printed = capsys.readouterr().out
        assert printed.replace("\n", "").isprintable()
        assert printed.isascii() or "\u202e" not in printed


def test_text_names_places_and_lists_events_if_asked(tmp_path):
    findings = explain(make_story(tmp_path, during=roll_back(3, 6, 9)))

    lines = list(describe(findings, width=400))
    assert any("[seq 4, epoch 3]" in line or "seq 3, epoch 3" in line for line in lines)
    listed = list(describe(findings, width=400, with_events=True))
    assert len(listed) == len(lines) + sum(len(one.events) for one in findings)


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=12))
def test_no_curve_breaks_an_explanation(tmp_path_factory, losses):
    story = make_story(
        tmp_path_factory.mktemp("run") / "one",
        epochs=len(losses),
        val=lambda epoch: losses[epoch - 1],
        train=lambda epoch: losses[-epoch],
    )

    assert json.loads(json.dumps(as_json(explain(story)), allow_nan=False))
