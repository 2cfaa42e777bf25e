"""check: compare what is on disk with what the contract says."""

from argparse import Namespace

from ..output.drift import find_drift
from ..output.layout import Layout
from ..output.paths import near
from ..output.render import render
from ..output.write import find_extras, find_strangers
from .command import CLEAN, DRIFT, INVALID, Command
from .contract import read_contract
from .options import add_render_options, read_settings


def run(options: Namespace, layout: Layout) -> int:
    """Print each file that is not as it should be, why, and how it differs; touch nothing."""
    contract = read_contract(layout)
    if contract is None:
        return INVALID
    settings = read_settings(options)
    files = render(contract, layout, settings)
    extras = [*find_extras(files, layout, settings), *find_strangers(files, layout)]
    drifts = list(find_drift(files, extras))
    for drift in drifts:
        print(drift.diff, end="")
    for drift in drifts:
        print(f"{near(drift.path)}: {'; '.join(drift.reasons)}")
    if drifts:
        what = "file is" if len(drifts) == 1 else "files are"
        print(f"{len(drifts)} generated {what} not what the contract says; run: {layout.command}")
    return DRIFT if drifts else CLEAN


COMMAND = Command(
    "check", "compare what is on disk with what the contract says", run, add_render_options
)
