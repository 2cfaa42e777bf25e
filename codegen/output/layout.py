"""Where the contract is, and below which roots generated files go."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from ..targets.target import Root

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A contract and the places of what is generated from it."""

    spec: Path
    spec_name: str
    package: str
    roots: dict[Root, Path]
    command: str


def our_layout() -> Layout:
    """Return the layout of this project."""
    return Layout(
        spec=PROJECT / "specs" / "telemetry.yaml",
        spec_name="specs/telemetry.yaml",
        package="esper._generated",
        roots={
            "package": PROJECT / "src" / "esper" / "_generated",
            "docs": PROJECT / "docs",
            "tests": PROJECT / "tests" / "_generated",
            "specs": PROJECT / "specs",
        },
        command="make codegen",
    )


def foreign_layout(spec: Path, out: Path, package: str) -> Layout:
    """Return the layout of a contract that somebody else owns: a package and nothing beside it."""
    options = ["--spec", spec.as_posix(), "--out", out.as_posix(), "--package", package]
    return Layout(
        spec=spec,
        spec_name=spec.as_posix(),
        package=package,
        roots={"package": out},
        command=shlex.join(["python", "-m", "codegen", *options]),
    )
