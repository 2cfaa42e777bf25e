"""The command check: compares the files on disk with the contract."""

from argparse import Namespace

from ..output.drift import find_drift
from ..output.layout import Layout, display_path
from ..output.ownership import find_owned
from ..output.render import render
from .command import CLEAN, DRIFT, INVALID, Command, read_contract
from .options import add_render_options, read_settings


def run(options: Namespace, layout: Layout) -> int:
    """Print each file that differs from the contract, with the reason and a diff; change nothing."""
    contract = read_contract(layout)
    if contract is None:
        return INVALID
    settings = read_settings(options, layout)
    files = render(contract, layout, settings)
    owned = find_owned(files, contract, layout, settings)
    drifts = list(find_drift(files, owned, layout))
    for drift in drifts:
        print(drift.diff, end="")
    for drift in drifts:
        print(f"{display_path(drift.path)}: {'; '.join(drift.reasons)}")
    if drifts:
        subject = (
            "1 generated file differs"
            if len(drifts) == 1
            else f"{len(drifts)} generated files differ"
        )
        print(f"{subject} from the contract; run: {layout.command}")
    return DRIFT if drifts else CLEAN


COMMAND = Command("check", "compare the files on disk with the contract", run, add_render_options)
