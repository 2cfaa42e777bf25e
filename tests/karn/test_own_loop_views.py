"""The views of a run of the user's own loop that reports steps and metrics, but no epochs and no accuracy."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import esper
from esper.cli import main
from esper.karn.charts import catalog
from esper.karn.charts.render import to_spec
from esper.karn.explain.explanation import explain
from esper.karn.report.comparison import compare_runs
from esper.karn.report.governor_sentences import describe_governor
from esper.karn.report.page import COMPARISON_CHARTS
from esper.karn.report.sections import make_section
from esper.karn.report.sentences import describe_extent
from esper.karn.run import read_story
from esper.karn.watch.governor_panel import draw_governor
from esper.karn.watch.header import draw_header
from esper.karn.watch.health import judge_health
from esper.karn.watch.source import RunSource
from tests.karn.example_run import _provenance


def write_loop(folder, name="mine", error=None):
    """Write a run of five steps, which `error` ends, and return its story."""
    with esper.start_run(folder, name, max_logs_per_s=None) as run:
        for step in range(5):
            run.log(step=step, speed=3.0, loss=1 / (step + 1), lr=0.01)
        if error is not None:
            raise error
    return read_story(folder / name)


def test_a_run_without_epochs_is_measured_in_steps_and_by_its_own_metrics(tmp_path, capsys):
    story = write_loop(tmp_path)
    section = make_section(story)

    assert describe_extent(story) == "step 4"
    assert section.sentences[0].startswith("The run completed after step 4 in ")
    assert section.sentences[1] == "Its newest metrics are speed 3, loss 0.2, lr 0.01."
    facts = {fact.label: (fact.value, fact.note) for fact in section.facts}
    assert facts["loss"] == ("0.2", "at step 4")
    assert facts["newest step"] == ("4", "no epochs were reported")
    assert "epochs" not in facts
    assert main(["summary", str(tmp_path / "mine")]) == 0
    assert "mine: to step 4 in " in capsys.readouterr().out


def test_no_view_invents_epochs_or_a_governor_of_a_loop_that_has_none(tmp_path, capsys):
    story = write_loop(tmp_path)
    findings = explain(story)

    assert main(["summary", str(tmp_path / "mine")]) == 0
    assert "epoch " not in capsys.readouterr().out
    assert all(event.epoch is None for one in findings for event in one.events)
    texts = [one.text for one in findings]
    assert "The logged loss went from 1 at step 0 to 0.2 at step 4; the lowest is 0.2." in texts
    assert "No governor reported to the log." in texts


def test_a_rollback_of_a_loop_without_epochs_is_placed_by_its_step(tmp_path):
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with esper.start_run(tmp_path, "mine", model=model) as run:
        governor = esper.TolariaGovernor(model, optimizers=[optimizer], channel=run.channel)
        for step in range(20):
            loss = model(torch.ones(1, 2)).sum() * (math.nan if step == 15 else 1.0)
            loss.backward()
            if governor.before_step(loss).may_step:
                optimizer.step()
            governor.after_step()
        alive = replace(read_story(tmp_path / "mine"), finished=None)
    story = read_story(tmp_path / "mine")
    (place, kind, text), *_ = describe_governor(story)

    assert (place, kind) == ("", "rollback")
    assert text.startswith("The loss was NaN, so the weights went back from step 15 to snapshot ")
    now_ns = alive.progress.last_event_ns
    assert judge_health(alive, None, now_ns).word == "rolled back"
    ten_minutes_later = replace(alive.progress, last_event_ns=now_ns + 600_000_000_000)
    health = judge_health(replace(alive, progress=ten_minutes_later), None, now_ns)
    assert (health.word, "the last alarm 10 min before the newest event" in health.reason) == (
        "healthy",
        True,
    )
    assert not any(line.plain.startswith("  ") for line in draw_governor(story)[4:])


def test_the_header_of_a_loop_without_epochs_has_its_step_and_loss(tmp_path):
    write_loop(tmp_path)

    lines = draw_header(RunSource(tmp_path / "mine").read(), 80).plain.splitlines()

    assert lines[0].startswith("● finished  step 4 in ")
    assert lines[1].strip() == "step 4   loss 0.2"


def test_runs_with_names_of_their_own_are_grouped_by_their_configuration(tmp_path):
    rates = {"a": 0.1, "b": 0.2, "c": 0.2}
    stories = []
    for name, rate in rates.items():
        with esper.start_run(tmp_path, name, config={"lr": rate}) as run:
            run.log(step=1, loss=rate)
        stories.append(read_story(tmp_path / name))

    comparison = compare_runs(stories)

    assert comparison.groups == (
        ("group", "runs", "newest loss", "rollbacks"),
        ("1: lr 0.1", "1", "0.1", "0"),
        ("2: lr 0.2", "2", "0.2 ± 0", "0"),
    )
    assert comparison.runs[1][:5] == ("a", "1", "completed", "step 1", "0.1")
    assert "quality [%]" in comparison.missing


def test_an_interrupted_run_without_planned_epochs_says_how_far_it_got(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_loop(tmp_path, error=KeyboardInterrupt())
    story = read_story(tmp_path / "mine")

    texts = [one.text for one in explain(story) if one.rule == "interrupted"]
    assert texts[0] == "A signal ended the run after step 4."


def test_several_runs_are_compared_by_the_loss_and_the_metric_that_they_logged(tmp_path):
    stories = [write_loop(tmp_path, name) for name in ("a", "b")]

    losses = catalog.losses(stories).to_dict()

    assert losses["description"] == catalog.describe("losses", stories)
    assert losses["description"].startswith("loss of 2 runs, last value: ")
    assert catalog.describe("metrics", stories).startswith("speed of 2 runs, last value: ")
    assert [catalog.has_data(name, stories) for name in COMPARISON_CHARTS] == [
        True,
        True,
        False,
        False,
    ]


def test_the_mean_of_a_group_is_drawn_only_where_each_of_its_runs_has_a_value(tmp_path):
    first, second = (write_loop(tmp_path, name) for name in ("a", "b"))
    curve = first.losses["loss"]
    sparse = replace(second.losses["loss"], x=curve.x[1::2], y=curve.y[1::2])
    provenance = _provenance()
    runs = [
        replace(story, started=None, provenance=provenance, losses={"loss": series})
        for story, series in ((first, curve), (second, sparse))
    ]

    data = to_spec(catalog.losses(runs))["layer"][1]["data"]["values"]

    # The second run has steps 1 and 3: between them the first is alone, before and after them it is the whole group.
    assert [row["x"] for row in data] == [0, 1, 3, 4]
