"""The imports between rooms point one way, and every package has a docstring and nothing else."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "esper"

# The rooms that each room may import. Every room may import `_generated` too, and `version`, which is a constant.
IMPORTS = {
    "_generated": set(),
    "leyline": set(),
    "telemetry": set(),
    "kasmina": {"leyline"},
    "tolaria": {"leyline", "kasmina"},
    "tamiyo": {"leyline"},
    "nissa": {"leyline"},
    "karn": {"leyline", "nissa"},
    "testing": {"leyline", "nissa"},
}
# The same for the parts of `tolaria` and `codegen`.
TOLARIA_IMPORTS = {
    "detection": set(),
    "snapshots": set(),
    "ranks": set(),
    "probing": {"detection", "snapshots"},
    "recovery": {"detection", "snapshots", "probing"},
    "governor": {"detection", "snapshots", "probing", "ranks", "recovery"},
    "stepper": {"detection", "governor"},
    "tasks": set(),
    "training": {"detection", "snapshots", "governor", "tasks"},
}
CODEGEN_IMPORTS = {
    "atomic": set(),
    "reading": set(),
    "diagnostics": set(),
    "contract": {"diagnostics", "reading"},
    "languages": {"contract", "diagnostics"},
    "targets": {"contract", "diagnostics", "languages"},
    "rules": {"contract", "diagnostics", "languages", "targets"},
    "compile": {"contract", "diagnostics", "rules"},
    "version": set(),
    "configuration": {"diagnostics", "output", "reading", "targets"},
    "output": {"atomic", "contract", "diagnostics", "languages", "reading", "targets"},
    "history": {"contract", "diagnostics", "output", "reading", "targets"},
    "compat": {"contract", "diagnostics", "history"},
    "coverage": {"contract", "diagnostics", "languages"},
}
CODEGEN_CONNECTORS = {"commands", "__main__", "__init__"}
# They connect the rooms; no room imports them.
CONNECTORS = {
    "charts",
    "commands",
    "cli",
    "loading",
    "origin",
    "outlets",
    "own_run",
    "running",
    "__init__",
    "__main__",
}
WITHOUT_TORCH = ["_generated", "leyline", "nissa", "karn", "tamiyo", "testing"]


def relative(path: Path) -> str:
    """The path below the root, as the id of a test: the same on every machine."""
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Return the absolute names of the modules that a file imports; checks that only codegen imports itself relatively."""
    package = path.relative_to(PACKAGE.parent if path.is_relative_to(PACKAGE) else ROOT).parts[:-1]
    is_relative = package[0] == "codegen"
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert is_relative, f"{path}: imports are absolute"
            base = [*package[: len(package) - node.level + 1], *filter(None, [node.module])]
            names.update(
                [".".join(base)] if node.module else (".".join([*base, a.name]) for a in node.names)
            )
        elif isinstance(node, ast.ImportFrom):
            assert not (is_relative and (node.module or "").startswith("codegen")), path
            names.add(node.module or "")
    return names


def parts_imported(path: Path, package: str) -> set[str]:
    """Return the parts of `package` that a file imports."""
    names = (
        name.removeprefix(f"{package}.")
        for name in imported_modules(path)
        if name.startswith(f"{package}.")
    )
    return {name.partition(".")[0] for name in names}


def rooms_imported(path: Path) -> set[str]:
    esper = [name.split(".") for name in imported_modules(path) if name.split(".")[0] == "esper"]
    return {parts[1] if len(parts) > 1 else "__init__" for parts in esper}


SOURCES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(path for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_rooms_import_only_rooms_that_they_may_import(path):
    room = room_of(path)
    if room in CONNECTORS or room == "version":
        return

    assert rooms_imported(path) <= IMPORTS[room] | {room, "_generated", "version"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "tolaria").rglob("*.py")), ids=relative)
def test_parts_of_tolaria_import_only_parts_that_they_may_import(path):
    part = path.relative_to(PACKAGE / "tolaria").parts[0].removesuffix(".py")
    if part != "__init__":
        assert parts_imported(path, "esper.tolaria") <= TOLARIA_IMPORTS[part] | {part}


@pytest.mark.parametrize("path", sorted((ROOT / "codegen").rglob("*.py")), ids=relative)
def test_parts_of_codegen_import_only_parts_that_they_may_import(path):
    part = path.relative_to(ROOT / "codegen").parts[0].removesuffix(".py")
    if part not in CODEGEN_CONNECTORS:
        assert parts_imported(path, "codegen") <= CODEGEN_IMPORTS[part] | {part}


@pytest.mark.parametrize(
    "arrows", [IMPORTS, TOLARIA_IMPORTS, CODEGEN_IMPORTS], ids=["esper", "tolaria", "codegen"]
)
def test_allowed_imports_have_no_cycle(arrows):
    TopologicalSorter(arrows).prepare()


def test_no_room_imports_the_files_that_connect_rooms():
    importers = {room_of(path) for path in SOURCES if rooms_imported(path) & {"cli", "commands"}}

    assert importers <= CONNECTORS


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_room_that_needs_no_torch_does_not_import_it(room):
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCES
        if room_of(path) == room
    ]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_starts_without_torch():
    code = "import sys, esper.cli; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", PACKAGES, ids=relative)
def test_a_package_has_a_docstring_and_nothing_else(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert ast.get_docstring(tree)
    if room_of(path) != "_generated":
        assert len(tree.body) == 1


@pytest.mark.parametrize("room", sorted(IMPORTS))
def test_the_readme_maps_every_room(room):
    assert f"`{room}`" in (ROOT / "README.md").read_text(encoding="utf-8")
