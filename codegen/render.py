"""From a contract to the text of every file; nothing is written here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from codegen.errors import OutputError
from codegen.fingerprint import Meanings, hash_files
from codegen.finish import Finisher
from codegen.gate import check_module
from codegen.layout import Layout
from codegen.model import Contract
from codegen.output import Output, Target
from codegen.paths import resolve_below
from codegen.settings import Settings
from codegen.targets.table import TARGETS

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file as it should be."""

    path: Path
    root: Path
    text: str


def render(contract: Contract, layout: Layout, settings: Settings) -> Iterator[Rendered]:
    """Render the files of the targets that are wanted and have a root in this layout.

    Reads what is on disk, because what is known to be right there is not formatted again.
    """
    meanings = Meanings(contract)
    for target in TARGETS:
        root = layout.roots.get(target.root)
        if root is None or (settings.targets and target.name not in settings.targets):
            continue
        finisher = Finisher(meanings, layout, generator_hash(target), settings)
        for output in _check_outputs(target, contract, layout):
            path = resolve_below(root, output.path)
            if path.suffix == ".py" and target.root == "package":
                source = "\n\n".join(chunk.text for chunk in output.chunks)
                check_module(path.stem, source, contract, layout.package)
            yield Rendered(path, root, finisher.finish(output, path))


def generator_hash(target: Target) -> str:
    """Hash everything that decides what a target renders."""
    own = [_HERE / "targets" / f"{target.name}.py", _HERE / "templates" / target.name]
    found: list[Path] = []
    for place in (*own, *(_HERE / name for name in target.sources)):
        found += [place] if place.is_file() else place.rglob("*")
    return hash_files(path for path in found if path.suffix in (".py", ".j2"))


def _check_outputs(target: Target, contract: Contract, layout: Layout) -> Iterator[Output]:
    """Go through what a target renders, and hold it against the target's own table."""
    table = set(target.outputs(contract))
    for output in target.render(contract, layout.package):
        if output.path not in table or PurePosixPath(output.path).is_absolute():
            raise OutputError(f"target {target.name} has no output {output.path}, or had it before")
        table.remove(output.path)
        yield output
    if table:
        raise OutputError(f"target {target.name} did not render {', '.join(sorted(table))}")
