"""The views of a run of the user's own loop that reports steps and metrics, but no epochs and no accuracy."""

from dataclasses import replace

import pytest

import esper
from esper.cli import main
from esper.karn.charts import catalog
from esper.karn.charts.render import to_spec
from esper.karn.explain.explanation import explain
from esper.karn.report.page import COMPARISON_CHARTS
from esper.karn.report.sections import make_section
from esper.karn.report.sentences import describe_extent
from esper.karn.run import read_story
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
