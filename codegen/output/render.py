"""Renders a contract: the text of every generated file. No generated file is read or written here."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..contract.model import Contract
from ..diagnostics.errors import OutputError, UsageError
from ..targets.table import load_targets
from ..targets.target import Output, Target
from .cache import CachedFile, Rendering, hash_contract, hash_formatting, hash_rendering
from .finish import Finisher, Rendered
from .gate import Gate
from .header import ContractHashes
from .layout import Layout, Settings, display_path, resolve_below
from .manifest import NAME


def render(contract: Contract, layout: Layout, settings: Settings) -> list[Rendered]:
    """Render the files of the selected targets that have a root in this layout.

    The texts depend on the contract, the layout and the installed generator, and not on the generated files on disk.

    Raises:
        CodegenError: a file would leave its root, generated code does not match the contract, or a target is selected
            that has no folder in this layout.
    """
    _check_paths(contract, layout)
    renderer = _Renderer(contract, layout, settings)
    rendered = []
    for target in load_targets(settings.targets):
        root = layout.root_of(target)
        if root is None:
            if target.name in settings.targets:
                raise UsageError(
                    f"target {target.name} writes nothing: no folder for its files is known for {layout.spec_name}"
                )
            continue
        for file in renderer.files_of(target):
            path = _path_of(target, file.path, root, layout)
            rendered.append(renderer.finish(file, path, target.name))
    return rendered


def _check_paths(contract: Contract, layout: Layout) -> None:
    """Check that no two files of a layout have the same path, also if only one of their targets is selected."""
    owners = {layout.package_root / NAME: "the list of generated files"}
    for target in load_targets(()):
        root = layout.root_of(target)
        if root is None:
            continue
        for file in target.outputs(contract):
            path = _path_of(target, file, root, layout)
            owner = owners.setdefault(path, f"target {target.name}")
            if owner != f"target {target.name}":
                raise UsageError(
                    f"target {target.name} would write {display_path(path)}, which is a file of {owner};"
                    " choose another place for it"
                )


def _path_of(target: Target, file: str, root: Path, layout: Layout) -> Path:
    return resolve_below(root, layout.file_names.get(target.name, file))


class _Renderer:
    """Renders the targets of one contract, or takes their files from the cache."""

    def __init__(self, contract: Contract, layout: Layout, settings: Settings) -> None:
        self._contract = contract
        self._package = layout.package
        self._is_formatted = settings.is_formatted
        self._cache = settings.cache
        self._hash = hash_contract(contract) if settings.cache is not None else ""
        self._finisher = Finisher(ContractHashes(contract), layout, settings)
        self._gate = Gate(contract, layout.package)
        self.finish = self._finisher.finish

    def files_of(self, target: Target) -> tuple[CachedFile, ...]:
        """Return the files of a target."""
        if self._cache is None:
            return tuple(self._render(target, {}))
        slot = f"{self._package} {target.name} {self._is_formatted}"
        key = hash_rendering(
            self._hash, self._package, target.name, is_formatted=self._is_formatted
        )
        found = self._cache.load(slot)
        if found is not None and found.key == key:
            return found.files
        formatting = hash_formatting(is_formatted=self._is_formatted)
        known = found.formatted_parts(formatting) if found is not None else {}
        files = tuple(self._render(target, known))
        self._cache.store(slot, Rendering(key, formatting, files))
        return files

    def _render(self, target: Target, known: dict[str, str]) -> Iterator[CachedFile]:
        """Yield the files of a target, and compare them with the list that the target declares."""
        declared = set(target.outputs(self._contract))
        for output in target.render(self._contract, self._package):
            if output.path not in declared or PurePosixPath(output.path).is_absolute():
                raise OutputError(
                    f"target {target.name} rendered {output.path} twice, or does not declare it"
                )
            declared.remove(output.path)
            self._check(target, output)
            yield self._finisher.format_parts(output, known)
        if declared:
            raise OutputError(f"target {target.name} did not render {', '.join(sorted(declared))}")

    def _check(self, target: Target, output: Output) -> None:
        if target.name == "python":
            self._gate.check(output)
