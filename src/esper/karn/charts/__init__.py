"""Charts: the curves, timelines and comparisons of runs, as Vega-Lite charts and as pictures."""
