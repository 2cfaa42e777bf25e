"""From a contract to the text of every file; nothing is written here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..contract.model import Contract
from ..diagnostics.errors import OutputError
from ..targets.table import load_targets
from ..targets.target import Later, Output, Target
from .fingerprint import Meanings
from .finish import Finisher
from .gate import Gate
from .layout import Layout
from .paths import resolve_below
from .processes import map_in_processes
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file as it should be."""

    path: Path
    root: Path
    text: str


def render(contract: Contract, layout: Layout, settings: Settings) -> list[Rendered]:
    """Render the files of the targets that are wanted and have a root in this layout.

    Reads what is on disk, because what is known to be right there is not formatted again.

    Raises:
        CodegenError: a file leaves its root, or is not what the contract says.
    """
    meanings = Meanings(contract)
    gate = Gate(contract, layout.package)
    jobs = []
    for target in load_targets(settings.targets):
        root = layout.roots.get(target.root)
        if root is not None:
            finisher = Finisher(meanings, layout, settings)
            checks = gate.check if target.root == "package" else None
            files = _check_outputs(target, contract, layout)
            jobs += [_Job(file, root, finisher, checks) for file in files]
    return map_in_processes(_Job.run, jobs)


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to be rendered, held against the contract, and finished."""

    file: Output | Later
    root: Path
    finisher: Finisher
    check: Callable[[Output], None] | None

    def run(self) -> Rendered:
        path = resolve_below(self.root, self.file.path)
        output = self.file.render()
        if self.check is not None and path.suffix == ".py":
            self.check(output)
        return Rendered(path, self.root, self.finisher.finish(output, path))


def _check_outputs(target: Target, contract: Contract, layout: Layout) -> Iterator[Output | Later]:
    """Go through the files of a target, and hold them against the target's own table."""
    table = set(target.outputs(contract))
    for output in target.render(contract, layout.package):
        if output.path not in table or PurePosixPath(output.path).is_absolute():
            raise OutputError(f"target {target.name} has no output {output.path}, or had it before")
        table.remove(output.path)
        yield output
    if table:
        raise OutputError(f"target {target.name} did not render {', '.join(sorted(table))}")
