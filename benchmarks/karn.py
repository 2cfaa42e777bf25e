"""Measures the views of runs: folding, reopening, and the figures of the other views.

    python benchmarks/karn.py --json                  one JSON object of all figures, as the last line
    python benchmarks/karn.py --only fold_vs_json     one figure
    python benchmarks/karn.py --events 100000         shorter logs

Each module of `karn_figures` measures what its docstring says, and has `NAMES`, the figures; `LIMITS`, the highest value of
each (`tensorboard_load_ratio`: the lowest); and `measure(num_events, folder) -> dict[str, float | None]`, which may write into
the folder; None means that a program which the figure needs is missing. The log of `karn_figures.logs` is made once and is
the same for all.
"""

import argparse
import importlib
import json
import pkgutil
import sys
import tempfile
from pathlib import Path

import karn_figures

NUM_EVENTS = 1_000_000


def find_figures():
    """Return the modules that measure figures, by the name of each figure."""
    names = [module.name for module in pkgutil.iter_modules(karn_figures.__path__)]
    modules = [importlib.import_module(f"karn_figures.{name}") for name in names if name != "logs"]
    return {figure: module for module in modules for figure in module.NAMES}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--events", type=int, default=NUM_EVENTS, help="default: %(default)s")
    figures = find_figures()
    parser.add_argument(
        "--only", choices=sorted(figures), action="append", help="measure this figure"
    )
    options = parser.parse_args()
    wanted = options.only or list(figures)
    results: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for module in dict.fromkeys(figures[name] for name in wanted):
            measured = module.measure(options.events, Path(temporary))
            for name, value in measured.items():
                if name in wanted:
                    results[name] = None if value is None else round(value, 3)
                if value is not None and not options.json:
                    print(f"{name:24} {value:10.3f}   limit {module.LIMITS[name]}", file=sys.stderr)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
