"""`esper compare`: the differences between runs, and where their losses part."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import esper
from esper.cli import main
from esper.karn.compare.comparison import compare
from esper.karn.compare.text import describe
from esper.karn.run import read_story
from esper.karn.summary_json import to_json
from tests.karn.example_run import _provenance, write_example_run
from tests.karn.made_run import fall, make_story, write_run
from tests.karn.missing_fields import SOME_FIELDS, write_without

ROOT = Path(__file__).parents[2]


def wobble(epoch, seed=0):
    """Return noise that is the same each time."""
    return 0.01 * math.sin(50 * epoch + 7 * seed + epoch**2)


def part(tmp_path, val):
    """Return where the decision loss of a run with `val` parts from that of a run with noise."""
    first = make_story(tmp_path / "first", val=lambda epoch: fall(epoch) + wobble(epoch))
    other = make_story(tmp_path / "other", val=val)
    found = compare([first, other]).partings
    return next(one for one in found if one.curve == "val_loss")


def test_the_same_losses_do_not_part(tmp_path):
    parting = part(tmp_path, lambda epoch: fall(epoch) + wobble(epoch))

    assert (parting.first_difference, parting.beyond_noise, parting.num_compared) == (
        None,
        None,
        20,
    )


def test_losses_part_exactly_before_they_part_by_more_than_noise(tmp_path):
    def val(epoch):
        return fall(epoch) + wobble(epoch) + 1e-12 * (epoch >= 7) + 0.5 * (epoch >= 13)

    parting = part(tmp_path, val)

    assert (parting.first_difference, parting.beyond_noise) == (7, 13)
    assert parting.value != parting.other_value
    assert part(tmp_path / "noise", lambda e: fall(e) + wobble(e, 1)).beyond_noise is None


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=8), st.data())
def test_no_losses_break_a_comparison(tmp_path_factory, losses, data):
    others = data.draw(st.permutations(losses))
    folder = tmp_path_factory.mktemp("runs")
    stories = [
        make_story(folder / name, epochs=len(values), val=lambda epoch, v=values: v[epoch - 1])
        for name, values in (("a", losses), ("b", others))
    ]

    comparison = compare(stories)

    assert json.dumps(to_json(comparison), allow_nan=False)
    assert list(describe(comparison, width=80))


def test_runs_that_differ_in_their_seed_are_a_group_with_an_interval(tmp_path):
    stories = [
        make_story(
            tmp_path / str(seed), seed=seed, val_accuracy=90.0 + seed, provenance=_provenance()
        )
        for seed in (0, 1, 2)
    ]

    comparison = compare(stories)

    (group,) = comparison.groups
    # Student's 97.5 % quantile for 2 degrees of freedom is 4.3027; the standard deviation is 1.
    assert group.quality.mean == pytest.approx(91.0)
    assert group.quality.half_width == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    assert [one.name for one in comparison.configuration] == ["seed"]


def test_settings_versions_and_seeds_that_differ_are_shown(tmp_path):
    plain = _provenance()
    changed = replace(plain, git_commit="f" * 40, config={**plain.config, "optimizer.lr": "0.1"})
    stories = [
        make_story(tmp_path / "a", provenance=plain),
        make_story(tmp_path / "b", provenance=changed, num_params=1008),
        read_story(write_example_run(tmp_path / "c")),
    ]

    comparison = compare(stories[:2])
    assert [(one.name, one.values) for one in comparison.configuration] == [
        ("optimizer.lr", ("0.05", "0.1"))
    ]
    assert [one.name for one in comparison.versions] == ["git_commit"]
    assert [len(group.runs) for group in comparison.groups] == [1, 1]
    text = "\n".join(describe(compare(stories), width=200))
    for expected in (
        "optimizer.lr: 0.05 | 0.1",
        "conv_small: fossilized in epoch 16",
        "2 rollbacks",
    ):
        assert expected in text
    assert "2,000,000 parameter updates, 4e+09 FLOPs" in text


@pytest.mark.parametrize("field", [*SOME_FIELDS, "Provenance.config"])
def test_a_comparison_stands_without_a_field(field, tmp_path):
    whole = make_story(tmp_path / "whole")

    comparison = compare([read_story(write_without(tmp_path / "without", field)), whole])

    assert json.dumps(to_json(comparison), allow_nan=False)
    assert len(list(describe(comparison, width=80))) > 20


def test_hostile_texts_are_escaped(tmp_path, capsys):
    name = "\x1b[31m\u202e|\n"
    hostile = replace(_provenance(), config={name: name}, platform=name, data_hashes={name: name})

    def during(writer, epoch):
        if epoch == 3:
            writer.emit("SEED_GERMINATED", slot_id=name, blueprint_id=name, params=8, alpha=0.0)
            writer.emit("METRICS_LOGGED", step=1, metrics={f"loss{name}": 1.0})

    write_run(tmp_path / "a", provenance=hostile, during=during)
    write_run(tmp_path / "b", during=during)

    for arguments in ([], ["--json"]):
        assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), *arguments]) == 0
        printed = capsys.readouterr().out
        assert printed.replace("\n", "").isprintable()


def test_one_run_is_not_compared(tmp_path, capsys):
    run = str(write_run(tmp_path / "a"))

    assert main(["compare", run, run]) == 2
    assert "needs two different runs, got 1" in capsys.readouterr().err


def test_values_that_own_loops_do_not_report_are_named_once(tmp_path):
    stories = []
    for name in ("a", "b"):
        with esper.start_run(tmp_path, name) as run:
            run.log(step=1, loss=0.5)
        stories.append(read_story(tmp_path / name))

    lines = list(describe(compare(stories), width=200))

    assert lines[0].split() == ["run", "group", "outcome", "steps", "newest", "loss"]
    assert lines[-1].endswith(" s, 1 step; not in the log: parameters, parameter updates, FLOPs")
    assert any("group 2: b (1 run): newest loss 0.5, time " in line for line in lines)


def kinds(text):
    """Return the titles of a comparison, and its first group and cost with all numbers as #."""
    titles = re.findall(r"^[A-Z].*", text, re.MULTILINE)
    # Wrapped lines are indented twice.
    lines = re.sub(r"\n    +", " ", text).splitlines()
    first = [lines[lines.index(title) + 1] for title in (titles[0], "Cost")]
    values = [re.split(r"runs\): |-\w{4}: ", line)[1] for line in first]
    return titles, [re.sub(r"\d[\d,.]*(e\+\d+)?\b", "#", value) for value in values]


def test_the_page_shows_what_the_command_prints(tmp_path):
    page = (ROOT / "docs" / "howto" / "explain_runs.md").read_text(encoding="utf-8")
    sample = page.partition("    esper compare 2026")[2].partition("\nValues that")[0]

    def during(writer, epoch):
        writer.emit("METRICS_LOGGED", step=12 * epoch, metrics={"norm": 1.0})

    options = {"baseline_accuracy": None, "provenance": _provenance(), "during": during}
    stories = [make_story(tmp_path / str(seed), seed=seed, **options) for seed in (0, 1)]

    printed = "\n".join(describe(compare(stories), width=200))

    assert kinds(sample.replace("\n    ", "\n")) == kinds(printed)
