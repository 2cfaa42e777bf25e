"""The report: what it says about a run and about several, as a page, as Markdown, and by the command."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from esper.cli import main
from esper.commands import report, train
from esper.karn.charts import catalog
from esper.karn.charts.library import unchecked
from esper.karn.charts.render import to_spec
from esper.karn.report.comparison import compare_runs
from esper.karn.report.glossary import GLOSSARY
from esper.karn.report.markdown import render_markdown
from esper.karn.report.page import COMPARISON_CHARTS, Figure, render_page
from esper.karn.report.sections import make_section
from esper.karn.run import read_story
from esper.leyline.text import printable
from tests.karn.browser import open_page, skip_without_browser
from tests.karn.example_run import RUN_ID, write_example_run
from tests.karn.missing_fields import SOME_FIELDS, write_without

ROOT = Path(__file__).parents[3]


@cache
def example():
    """Return the story of the example run."""
    with TemporaryDirectory() as folder:
        return read_story(write_example_run(Path(folder) / "run"))


def test_a_section_tells_result_seeds_governor_and_warnings():
    run = make_section(example())

    assert run.sentences[0] == "The run completed after 40 of 40 epochs in 80.0 s."
    assert "2.80 percentage points above the host alone" in run.sentences[1]
    assert [(seed.slot, seed.verdict) for seed in run.seeds] == [
        ("env 0 r0c0", "kept"),
        ("env 0 r0c1", "pruned"),
        ("env 0 r0c1", "kept"),
        ("env 0 r0c2", "not decided"),
        ("env 1 r0c2", "pruned"),
    ]
    kept = " ".join(run.seeds[0].sentences)
    assert "trained on its own from epoch 3, blended in from epoch 8" in kept
    assert (
        "The whole interval is below minus its price of 0.004 nats for its 148 parameters: it pays."
        in kept
    )
    assert ("6", "G2 to blending", "not passed", "improvement") in [
        row[:4] for row in run.seeds[0].gates
    ]
    assert {kind for _, kind, _ in run.governor} >= {
        "rollback",
        "suspicion cleared",
        "escalation",
        "stop",
    }
    assert any("superseded" in warning for warning in run.warnings)


def test_an_unfinished_run_is_said_to_have_no_end(tmp_path):
    story = read_story(write_example_run(tmp_path / "run", is_finished=False))

    assert (
        make_section(story).sentences[0].startswith("The log stops, with no end of the run, after ")
    )
    alive = replace(story, progress=replace(story.progress, is_alive=True))
    assert make_section(alive).sentences[0].startswith("The run goes on after ")
    assert make_section(alive).outcome == "running"


def test_a_comparison_groups_seeds_and_marks_what_differs():
    story = example()
    other = replace(story.provenance, config={**story.provenance.config, "policy": "other"})
    runs = [
        story,
        replace(story, run_id="second", started=replace(story.started, seed=4)),
        replace(story, run_id="third", provenance=other),
    ]

    comparison = compare_runs(runs)

    assert [row[1] for row in comparison.groups[1:]] == ["2", "1"]
    assert comparison.groups[1][3] == "95.00 ± 0.00"
    assert [row[0] for row in comparison.settings[1:]] == ["policy"]
    assert [row[0] for row in comparison.runs[1:]] == [RUN_ID, "second", "third"]
    assert "<mark>other</mark>" in render_page(runs, ())
    assert "The best mean quality, 95.00 %, is that of the groups 1, 2." in comparison.sentences


def test_charts_without_values_are_one_list_after_the_others():
    def figure(name, svg):
        return Figure(name=name, title=name.title(), svg=svg, text="", caption=f"About {name}.")

    drawn, other = figure("losses", "<svg></svg>"), [figure(one, None) for one in ("a", "b")]

    page = render_page([example()], [other[0], drawn, other[1]])

    assert re.findall(r'<(figure|li) id="(.*?)"', page) == [
        ("figure", "losses"),
        ("li", "a"),
        ("li", "b"),
    ]
    assert page.count("Without a chart") == 1
    assert "Without a chart" not in render_page([example()], [drawn])


def test_a_page_contains_no_script_and_forbids_everything():
    page = render_page([example()], ())

    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert re.fullmatch(
        r"default-src &#39;none&#39;; style-src &#39;sha256-[\w+/=]+&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;",
        policy,
    )
    assert not re.search(r"<script|javascript:|\ssrc=|\shref=|url\(|@import|https?://", page)


@pytest.mark.parametrize("field", [*SOME_FIELDS[::2], "Provenance.config"])
def test_a_report_stands_without_a_field(field, tmp_path):
    story = read_story(write_without(tmp_path / "run", field))

    text = render_markdown([story])
    render_page([story, example()], ())

    assert "## Seeds" in text
    if story.missing:
        assert f"Fields that the log lacks: {field} (".replace("_", "\\_") in text


@pytest.mark.parametrize(
    "field",
    [
        "EPOCH_COMPLETED.val_loss",
        "EPOCH_COMPLETED.seeds",
        "SEED_GATE_EVALUATED.passed",
        "SeedEvidence.low",
        "SeedStatus.alpha",
        "GOVERNOR_ROLLBACK.from_step",
    ],
)
def test_charts_stand_without_a_field(field, tmp_path):
    story = read_story(write_without(tmp_path / "run", field))

    with unchecked():
        for name, entry in catalog.CHARTS.items():
            assert to_spec(entry.draw(story))["description"] == catalog.describe(name, story)
        for name in COMPARISON_CHARTS:
            to_spec(catalog.CHARTS[name].draw([story, example()]))


def test_the_glossary_is_that_of_the_documentation():
    pages = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    plain = re.sub(r"\{term\}`([^`<]+?)(?: <[^>]+>)?`", r"\1", pages)
    plain = " ".join(re.sub(r"[`*]", "", plain).split())

    for term, text in GLOSSARY.items():
        assert f"{term} {text}" in plain


def test_the_command_writes_page_figures_and_markdown(tmp_path, capsys):
    folder = write_example_run(tmp_path / "run")
    figures = tmp_path / "figures"

    assert main(["report", str(folder), "--figures", str(figures)]) == 0
    printed = capsys.readouterr().out
    assert main(["report", str(folder), "--markdown", "--out", "-"]) == 0
    markdown = capsys.readouterr().out

    assert (
        printed
        == f"wrote {len(catalog.CHARTS)} charts to {figures}\nwrote {folder / 'report.html'}\n"
    )
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(catalog.CHARTS)
    assert len(page) < 400_000
    assert {path.name for path in figures.iterdir()} == {
        f"{name}.{suffix}" for name in catalog.CHARTS for suffix in ("svg", "pdf", "png")
    }
    assert markdown.startswith("# digits, seed 3\n")


def test_a_browser_shows_the_page_without_a_complaint(tmp_path):
    skip_without_browser()
    folder = write_example_run(tmp_path / "run")
    assert main(["report", str(folder), "--out", str(tmp_path / "page.html")]) == 0

    content, complaints = open_page(tmp_path / "page.html", tmp_path / "profile")

    assert complaints == []
    assert content.count("<svg") == len(catalog.CHARTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--open", "--markdown"],
            "--open shows a page, which needs a file; leave out --markdown and --out -",
        ),
        (
            ["--open", "--out", "-"],
            "--open shows a page, which needs a file; leave out --markdown and --out -",
        ),
        (
            ["--json", "--markdown"],
            "--json is a format of its own; leave out --markdown and --open",
        ),
        (["--out", "."], "--out must name a file, got the folder .; try report.html"),
    ],
)
def test_the_command_refuses_what_cannot_be_done(arguments, message, tmp_path, capsys):
    folder = write_example_run(tmp_path / "run")

    assert main(["report", str(folder), *arguments]) == 2
    assert capsys.readouterr().err == f"esper report: {message}\n"


def test_the_command_opens_the_page_that_it_wrote(tmp_path, monkeypatch, capsys):
    folder = write_example_run(tmp_path / "run")
    opened = []
    monkeypatch.setattr(report, "_make", lambda folders, options, out: ("page", {}))
    monkeypatch.setattr(report.webbrowser, "open", opened.append)

    assert main(["report", str(folder), "--open"]) == 0
    assert opened == [(folder / "report.html").as_uri()]
    assert printable(capsys.readouterr().out.strip(), 4096) == f"wrote {folder / 'report.html'}"


def test_a_training_names_the_command(tmp_path):
    assert train._report_command(Path("runs")) == "esper report latest"
    assert train._report_command(Path("my runs")) == "esper report latest --run-dir 'my runs'"
