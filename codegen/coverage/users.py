"""The modules that use each event and field, compared with those recorded next to the contract."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from ..contract.users import Modules, Users
from ..diagnostics.findings import Findings, Span
from .points import Point

STALE = "COV018"


def find_users(points: Iterable[Point], root: Path) -> Users:
    """Return the modules, as imported from `root`, that contain the places of the points."""
    listed = list(points)
    return Users(
        emitters=_modules((one for one in listed if one.measure == "emitted"), root),
        readers=_modules((one for one in listed if one.measure == "read"), root),
    )


def compare_users(recorded: Users, found: Users, path: str, hint: str, findings: Findings) -> None:
    """Add a finding for every event or field whose recorded users, in the file at `path`, differ from the code."""
    for verb, before, now in (
        ("emitted", recorded.emitters, found.emitters),
        ("read", recorded.readers, found.readers),
    ):
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                message = (
                    f"{name} is {verb} {_where(now.get(name))}, recorded {_where(before.get(name))}"
                )
                findings.add(Span(path, 1, 1), STALE, message, hint)


def _modules(points: Iterable[Point], root: Path) -> Modules:
    return {one.name: tuple(sorted(set(_module_names(one, root)))) for one in points if one.places}


def _module_names(point: Point, root: Path) -> Iterator[str]:
    for place in point.places:
        parts = PurePath(place.path).relative_to(root).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__")


def _where(modules: tuple[str, ...] | None) -> str:
    return f"in {', '.join(modules)}" if modules else "nowhere"
