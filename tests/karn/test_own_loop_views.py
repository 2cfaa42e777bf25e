"""The views of a run of the user's own loop that reports steps and metrics, but no epochs and no accuracy."""

import pytest

import esper
from esper.cli import main
from esper.karn.explain.explanation import explain
from esper.karn.report.sections import make_section
from esper.karn.report.sentences import describe_extent
from esper.karn.run import read_story


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
