"""Turns a configured contract into the layout in which commands read and write files."""

from dataclasses import replace
from pathlib import PurePosixPath

from ..diagnostics.errors import UsageError
from ..diagnostics.similar import suggest
from ..output.layout import Layout, check_folder_of
from ..targets.table import NAMES
from .table import Configuration, Configured

COMMAND = "esper-codegen"


def _layout_of(configured: Configured, configuration: Configuration) -> Layout:
    """Return the layout of a contract of a project."""
    folder = configuration.folder
    roots = {"package": folder / configured.out}
    roots |= {target: folder / place for target, place in configured.places.items()}
    return Layout(
        spec=folder / configured.contract,
        spec_name=configured.contract.as_posix(),
        package=configured.package,
        roots=roots,
        command=COMMAND,
        history=folder / configured.history,
        left_out=frozenset(NAMES) - {"python", *configured.places},
        file_names=configured.file_names,
        is_formatted=configuration.formatter == "black",
    )


def choose_layouts(
    configuration: Configuration,
    selected: str | None,
    *,
    out: PurePosixPath | None,
    package: str | None,
) -> list[Layout]:
    """Return the layouts of the contracts, or of the selected one; `out` and `package` replace what the table says.

    Raises:
        UsageError: there is no such contract, or `out` or `package` is given for several contracts.
        PathError: `out` and `package` do not fit.
    """
    contracts = configuration.contracts
    if selected is not None:
        names = [one.name for one in contracts]
        contracts = tuple(one for one in contracts if selected in (one.name, str(one.contract)))
        if not contracts:
            hint = suggest(selected, names) or f"there are: {', '.join(names)}"
            raise UsageError(f'no contract "{selected}" in the table; {hint}')
    if len(contracts) > 1 and (out or package):
        raise UsageError("--out and --package are for one contract; select it with --contract")
    layouts = []
    for one in contracts:
        changed = one
        if out is not None:
            places = {
                target: out if place == one.out else place for target, place in one.places.items()
            }
            changed = replace(changed, out=out, places=places)
        if package is not None:
            changed = replace(changed, package=package)
        check_folder_of(changed.out, changed.package, given=str(changed.out))
        layouts.append(_layout_of(changed, configuration))
    return layouts
