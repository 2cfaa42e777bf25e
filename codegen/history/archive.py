"""The folder of released contracts: a baseline and golden records for each version, beside the contract."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..contract.forms import VERSION
from ..contract.versions import Version, parse_version
from ..diagnostics.findings import Findings, Span
from .baseline import Baseline, read_baseline
from .normal import NormalFormError

FOLDER = "history"


@dataclass(frozen=True)
class Release:
    """A released version: its baseline and its golden records."""

    version: Version
    path: Path
    name: str
    """What findings call the baseline file."""
    baseline: Baseline

    @property
    def golden_name(self) -> str:
        """What findings call the file of the golden records."""
        return self.name.removesuffix(".json") + ".jsonl"

    @cached_property
    def golden(self) -> str | None:
        """The golden records; None when they are gone."""
        path = self.path.with_suffix(".jsonl")
        return path.read_text(encoding="utf-8") if path.is_file() else None


def folder_of(spec: Path) -> Path:
    """Return the folder with the releases of the contract at `spec`."""
    return spec.parent / FOLDER


def read_releases(folder: Path, name: str, findings: Findings) -> tuple[Release, ...]:
    """Read every release, the oldest first; `name` is what findings call the folder."""
    releases = []
    for path in folder.glob("*.json"):
        if not re.fullmatch(VERSION.pattern, path.stem):
            continue
        release = read_release(path, f"{name}/{path.name}", findings)
        if release is not None:
            releases.append(release)
    return tuple(sorted(releases, key=lambda release: release.version))


def read_release(path: Path, name: str, findings: Findings) -> Release | None:
    """Read the release whose baseline is at `path`, which findings call `name`; None when it is no baseline."""
    try:
        baseline = read_baseline(path, name)
    except NormalFormError as error:
        hint = "restore it from where it was released"
        findings.add(Span(name, 1, 1), "HIS001", str(error), hint)
        return None
    return Release(parse_version(baseline.contract.version), path, name, baseline)
