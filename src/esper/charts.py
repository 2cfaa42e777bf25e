"""The charts of runs, as Altair charts and as pictures; they need the extra `charts`.

    from esper import charts

    story = esper.read_story("runs/mine")
    charts.losses(story)  # a notebook shows it
    Path("evidence.pdf").write_bytes(charts.to_pdf(charts.evidence(story)))

Each function takes a run, or several to be compared, and a theme, "light" or "dark". A chart whose values are not in the log says so.
`describe` returns the numbers of a chart as a sentence.
"""

from esper.karn.charts.catalog import (
    alphas,
    describe,
    evidence,
    gradients,
    learning_rate,
    losses,
    metrics,
    pareto,
    system,
    timeline,
)
from esper.karn.charts.render import to_pdf, to_png, to_svg

__all__ = [
    "alphas",
    "describe",
    "evidence",
    "gradients",
    "learning_rate",
    "losses",
    "metrics",
    "pareto",
    "system",
    "timeline",
    "to_pdf",
    "to_png",
    "to_svg",
]
