"""Renders a contract: the text of every generated file. Nothing is written here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..contract.model import Contract
from ..diagnostics.errors import OutputError
from ..targets.table import load_targets
from ..targets.target import Output, Target
from .finish import Finisher
from .gate import Gate
from .header import ContractHashes
from .layout import Layout, Settings, resolve_below


@dataclass(frozen=True, slots=True)
class Rendered:
    """A generated file: its path, the root that it is below, and its text."""

    path: Path
    root: Path
    text: str


def render(contract: Contract, layout: Layout, settings: Settings) -> list[Rendered]:
    """Render the files of the selected targets that have a root in this layout.

    Reads the files on disk, because parts that are already formatted there are not formatted again.

    Raises:
        CodegenError: a file would leave its root, or generated code does not match the contract.
    """
    finisher = Finisher(ContractHashes(contract), layout, settings)
    gate = Gate(contract, layout.package)
    rendered = []
    for target in load_targets(settings.targets):
        root = layout.root_of(target)
        if root is None:
            continue
        for output in _render_target(target, contract, layout):
            path = resolve_below(root, layout.file_names.get(target.name, output.path))
            if target.name == "python":
                gate.check(output)
            rendered.append(Rendered(path, root, finisher.finish(output, path)))
    return rendered


def _render_target(target: Target, contract: Contract, layout: Layout) -> Iterator[Output]:
    """Yield the files of a target, and compare them with the list that the target declares."""
    declared = set(target.outputs(contract))
    for output in target.render(contract, layout.package):
        if output.path not in declared or PurePosixPath(output.path).is_absolute():
            raise OutputError(
                f"target {target.name} rendered {output.path} twice, or does not declare it"
            )
        declared.remove(output.path)
        yield output
    if declared:
        raise OutputError(f"target {target.name} did not render {', '.join(sorted(declared))}")
