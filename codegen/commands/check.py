"""check: compare what is on disk with what the contract says."""

from argparse import Namespace

from codegen.commands.command import CLEAN, DRIFT, INVALID, Command
from codegen.commands.contract import read_contract
from codegen.commands.options import add_render_options, render_files
from codegen.drift import find_drift
from codegen.layout import Layout


def run(options: Namespace, layout: Layout) -> int:
    """Print each file that is not as it should be, why, and how it differs; touch nothing."""
    contract = read_contract(layout)
    if contract is None:
        return INVALID
    drifts = list(find_drift(render_files(contract, layout, options), layout))
    for drift in drifts:
        print(drift.diff, end="")
    for drift in drifts:
        print(f"{drift.path}: {'; '.join(drift.reasons)}")
    if drifts:
        files = "file is" if len(drifts) == 1 else "files are"
        print(f"{len(drifts)} generated {files} not what the contract says; run: {layout.command}")
    return DRIFT if drifts else CLEAN


COMMAND = Command(
    "check", "compare what is on disk with what the contract says", run, add_render_options
)
