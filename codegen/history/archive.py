"""The archive of releases: a folder next to the contract with a baseline and golden records for each version."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..contract.forms import VERSION
from ..contract.versions import Version, parse_version
from ..diagnostics.errors import UsageError
from ..diagnostics.findings import Findings, Span
from ..reading import read_bounded
from .baseline import MAX_BYTES, Baseline, read_baseline, read_owner
from .normal_form import NormalFormError

FOLDER = "history"


@dataclass(frozen=True)
class Release:
    """A released version with its baseline and its golden records."""

    version: Version
    path: Path
    name: str
    """Name of the baseline file in findings."""
    baseline: Baseline

    @property
    def golden_name(self) -> str:
        """Name of the file with the golden records in findings."""
        return self.name.removesuffix(".json") + ".jsonl"

    @cached_property
    def golden(self) -> str | None:
        """The golden records; None when their file is missing."""
        path = self.path.with_suffix(".jsonl")
        return read_bounded(path, MAX_BYTES).decode() if path.is_file() else None


def choose_folder(spec: Path) -> Path:
    """Return the archive of the contract at `spec`: the folder next to it, or, if that belongs to another contract, a
    folder in it that is named after this contract.

    Raises:
        UsageError: the folder belongs to a contract that is not there any more; this one may have been renamed.
    """
    folder = spec.parent / FOLDER
    own = folder / spec.stem
    owners = {name for path in folder.glob("*.json") if (name := read_owner(path))}
    if own.is_dir() or not owners or spec.name in owners:
        return own if own.is_dir() else folder
    gone = sorted(name for name in owners if not (spec.parent / name).is_file())
    if gone:
        raise UsageError(
            f"{folder} holds the releases of {gone[0]}, which does not exist; if {spec.name} is its new name, give"
            f" --history {folder}"
        )
    return own


def read_releases(folder: Path, name: str, findings: Findings) -> tuple[Release, ...]:
    """Read every release, the oldest first; `name` is the name of the folder in findings."""
    releases = []
    for path in folder.glob("*.json"):
        if not VERSION.fits(path.stem):
            continue
        release = read_release(path, f"{name}/{path.name}", findings)
        if release is not None:
            releases.append(release)
    return tuple(sorted(releases, key=lambda release: release.version))


def find_lone_golden(folder: Path) -> list[Path]:
    """Return the golden records in an archive whose baseline is missing."""
    found = sorted(one for one in folder.glob("*.jsonl") if VERSION.fits(one.stem))
    return [one for one in found if not one.with_suffix(".json").exists()]


def find_orphans(folder: Path, spec: Path) -> list[tuple[str, str]]:
    """Return the archives around that of `spec` whose contracts do not exist: the folder, and the contract's name."""
    places = [folder.parent, *sorted(one for one in folder.parent.glob("*") if one.is_dir())]
    found = []
    for place in places:
        owners = {read_owner(one) for one in place.glob("*.json") if VERSION.fits(one.stem)}
        gone = sorted(one for one in owners if one and not (spec.parent / one).is_file())
        found += [(place.name, one) for one in gone[:1] if place != folder]
    return found


def read_release(path: Path, name: str, findings: Findings) -> Release | None:
    """Read the release with the baseline at `path`; None, with a finding, when that is not a valid baseline.

    `name` is the name of the file in findings.
    """
    try:
        baseline = read_baseline(path, name)
    except NormalFormError as error:
        hint = "restore the file, for example from version control"
        findings.add(Span(name, 1, 1), "HIS001", str(error), hint)
        return None
    return Release(parse_version(baseline.contract.version), path, name, baseline)
