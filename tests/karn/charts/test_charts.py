"""Charts of runs: valid Vega-Lite, with their numbers as a sentence, drawn without a network."""

import json
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from esper.karn.charts import catalog
from esper.karn.charts.comparison import describe_group_curves, draw_group_curves, pareto_front
from esper.karn.charts.groups import differing_settings, group_runs, mean_interval
from esper.karn.charts.inline import inline_svg
from esper.karn.charts.palette import THEMES
from esper.karn.charts.render import Painter, to_pdf, to_png, to_spec, to_svg
from esper.karn.charts.rows import event_marks
from esper.karn.run import read_story
from esper.leyline.errors import MissingExtraError, UsageError
from tests.karn.browser import open_page, skip_without_browser
from tests.karn.example_run import write_example_run
from tests.karn.made_run import make_story


@cache
def example():
    """Return the story of the example run."""
    with TemporaryDirectory() as folder:
        return read_story(write_example_run(Path(folder) / "run"))


def another(seed, **config):
    """Return the example run with another seed and other settings."""
    story = example()
    provenance = replace(
        story.provenance, config={**story.provenance.config, "seed": str(seed), **config}
    )
    started = replace(story.started, seed=seed)
    return replace(story, run_id=f"run-{seed}", provenance=provenance, started=started)


def without_values():
    """Return the example run without anything that a chart shows."""
    empty = {"losses": {}, "metric_series": {}, "learning_rates": {}, "system": {}}
    return replace(
        example(), **empty, slots=(), epochs=(), finished=None, started=None, provenance=None
    )


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", catalog.CHARTS)
def test_a_chart_is_valid_and_says_its_numbers(name, theme):
    spec = catalog.CHARTS[name].draw(example(), theme=theme).to_dict()

    assert spec["description"] == catalog.describe(name, example())
    assert spec["background"] == THEMES[theme]["paper"]
    assert catalog.has_data(name, example())


@pytest.mark.parametrize("name", catalog.CHARTS)
def test_a_chart_of_several_runs_is_valid(name):
    runs = [another(1), another(2), another(3, policy="other")]

    spec = catalog.CHARTS[name].draw(runs).to_dict()

    assert spec["description"] == catalog.describe(name, runs)


@pytest.mark.parametrize("name", catalog.CHARTS)
def test_a_chart_without_values_says_so(name):
    text = catalog.describe(name, without_values())
    spec = to_spec(catalog.CHARTS[name].draw(without_values()))

    assert not catalog.has_data(name, without_values())
    assert "not in the log" in text or "no seed was planted" in text
    assert json.dumps(text)[1:-1] in json.dumps(spec)


def test_the_sentence_of_the_losses_has_the_values_of_the_log():
    series = example().losses["val_loss"]

    text = catalog.describe("losses", example())

    assert f"highest {series.high:.4g}" in text
    assert "nats" in text


def test_marks_of_the_losses_have_the_place_of_their_events():
    spec = json.dumps(to_spec(catalog.losses(example())))
    rollback = example().rollbacks[0]

    assert f'{{"x": {rollback.epoch}, "kind": "rollback"' in spec
    assert f'"snapshot {example().governor.snapshots[0].payload.snapshot_id}"' in spec


def test_the_epochs_of_a_rejuvenation_on_trial_are_marked(tmp_path):
    def during(writer, epoch):
        if epoch == 9:
            writer.emit("HOST_REJUVENATED", after_epoch=6, is_kept=False)

    marks = event_marks(make_story(tmp_path, during=during), "epoch")

    trial = [(mark["x"], mark["text"]) for mark in marks if mark["kind"] == "rejuvenation"]
    assert trial == [(epoch, "rejuvenation on trial, result: not kept") for epoch in (7, 8, 9)]


def test_themes_have_the_same_roles_and_no_colour_twice():
    assert THEMES["light"].keys() == THEMES["dark"].keys()
    for colours in THEMES.values():
        assert len(set(colours.values())) == len(colours)
    with pytest.raises(UsageError, match="theme must be light or dark, got 'pink'"):
        catalog.losses(example(), theme="pink")


@pytest.mark.parametrize(
    ("module", "package"), [("altair", "altair"), ("vl_convert", "vl-convert-python")]
)
def test_a_missing_package_is_named_with_the_extra(module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(
        MissingExtraError, match=rf"{package} must be installed.*esper-grow\[charts\]"
    ):
        to_svg(catalog.learning_rate(example()))


def test_a_chart_becomes_svg_png_and_pdf():
    chart = catalog.learning_rate(example())

    assert to_svg(chart).startswith("<svg")
    assert to_png(chart).startswith(b"\x89PNG")
    assert to_pdf(chart).startswith(b"%PDF")


@pytest.mark.parametrize("url", ["https://example.com/x.csv", "http://127.0.0.1:9/x.csv"])
def test_a_chart_is_drawn_without_a_network(url):
    import altair

    chart = altair.Chart(url).mark_point().encode(x="x:Q")

    with pytest.raises(ValueError, match="External data url not allowed"):
        to_svg(chart)


def test_a_picture_in_a_page_keeps_only_what_a_chart_needs():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" viewBox="0 0 9 9">'
        '<rect fill="#ffffff"/><script>alert(1)</script><a xlink:href="javascript:alert(1)"><path d="M0,0"/></a>'
        '<path d="M0.123456,1" onclick="alert(1)" style="fill:red" fill="#0072b2" aria-label="a &lt;mark&gt;"/>'
        '<image href="http://evil"/><foreignObject><b/></foreignObject><g display="none"><path d="M1,1"/></g></svg>'
    )

    inlined = inline_svg(svg, name="losses", text='"quoted" <text>')

    assert inlined == (
        '<svg width="9" viewBox="0 0 9 9" role="img" aria-label="&quot;quoted&quot; &lt;text&gt;" class="chart">'
        '<path d="M0.12,1" fill="var(--chart-blue)"><title>a &lt;mark&gt;</title></path></svg>'
    )


def test_every_colour_of_a_picture_follows_the_theme():
    with Painter() as painter:
        svg = painter.paint(catalog.timeline(example())).result()

    assert "#" not in inline_svg(svg, name="timeline", text="")


def test_charts_need_no_eval(tmp_path):
    """Vega's own interpreter draws every chart under a policy that forbids to evaluate texts as code."""
    skip_without_browser()
    import vl_convert

    specs = [to_spec(entry.draw(example())) for entry in catalog.CHARTS.values()]
    script = "for (const [i, spec] of SPECS.entries()) vegaEmbed('#c' + i, spec, {ast: true, renderer: 'svg', actions: false})"
    bundle = vl_convert.javascript_bundle(script.replace("SPECS", json.dumps(specs)))
    policy = "default-src 'none'; script-src 'nonce-a'; style-src 'unsafe-inline'"
    places = "".join(f'<div id="c{number}"></div>' for number in range(len(specs)))
    page = tmp_path / "page.html"
    page.write_text(
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">{places}'
        f'<script nonce="a" type="module">{bundle}</script>',
        encoding="utf-8",
    )

    content, complaints = open_page(page, tmp_path / "profile", wait_ms=20_000)

    assert complaints == []
    assert content.count('class="marks"') == len(specs)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_no_run_beats_one_of_the_front_and_every_other_is_beaten(points):
    front = pareto_front(points)

    for params, score in points:
        rivals = [
            (p, s) for p, s in points if p <= params and s >= score and (p, s) != (params, score)
        ]
        assert ((params, score) in front) is not bool(rivals)


@pytest.mark.parametrize("values", [[1.0, 2.0], [3.0, 3.5, 4.0, 8.0], [0.1] * 10 + [0.4]])
def test_the_interval_of_a_group_is_students(values):
    interval = mean_interval(values)
    num = len(values)
    mean = sum(values) / num
    deviation = (sum((value - mean) ** 2 for value in values) / (num - 1)) ** 0.5

    assert interval.mean == pytest.approx(mean)
    assert interval.half_width == pytest.approx(
        student.ppf(0.975, num - 1) * deviation / num**0.5, rel=1e-3
    )
    assert mean_interval([2.5]).half_width is None


def test_runs_that_differ_in_their_seed_only_are_a_group():
    runs = [another(1), another(2), another(3, policy="other")]

    groups = group_runs(runs)

    assert [[story.run_id for story in group.stories] for group in groups] == [
        ["run-1", "run-2"],
        ["run-3"],
    ]
    assert set(differing_settings(runs)) == {"seed", "policy"}
    assert groups[1].label == "2: policy other"


def test_runs_without_a_configuration_are_not_said_to_be_alike():
    story = without_values()

    assert len(group_runs([story, story])) == 2


def test_a_group_without_a_curve_is_neither_in_its_legend_nor_counted_in_its_text():
    runs = [another(1, policy="one"), another(2, policy="two"), another(3, policy="three")]
    labels = [group.label for group in group_runs(runs)]
    curves = [runs[0].losses["val_loss"], None, runs[2].losses["val_loss"]]

    spec = to_spec(draw_group_curves(runs, "val_loss", curves, "light", "text"))

    legends = re.findall(
        r'"orient": "bottom".*?"values": (\[.*?\])', json.dumps(spec, sort_keys=True)
    )
    assert {tuple(json.loads(one)) for one in legends} == {(labels[0], labels[2])}
    text = describe_group_curves(runs, "val_loss", curves)
    assert text.startswith("val_loss of 2 runs (not in the log of 1 run), last value: ")
