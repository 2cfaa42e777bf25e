"""Finished runs on disk, so that an interrupted campaign is resumed: one JSON file for each."""

import hashlib
from functools import cache
from pathlib import Path

import msgspec
import torch

import esper
from esper.leyline.atomic import write_atomically
from growth_campaign.trial import Job, Outcome


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    job: Job
    outcome: Outcome


class Store:
    """Keeps the outcomes of jobs in a folder.

    A file's name holds a hash of its job, of the source code and of PyTorch's version, so that a change of any of them leaves it
    unused.
    """

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made when needed."""
        self._folder = folder

    def load(self, job: Job) -> Outcome | None:
        """Return the outcome of `job`; None if it has not been saved, or only in part."""
        try:
            content = self._path(job).read_bytes()
            return msgspec.json.decode(content, type=_Record).outcome
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def save(self, job: Job, outcome: Outcome) -> None:
        """Write the outcome of `job`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = msgspec.json.encode(_Record(job=job, outcome=outcome))
        write_atomically(self._path(job), lambda file: file.write(content + b"\n"))

    def _path(self, job: Job) -> Path:
        key = hashlib.sha256(msgspec.json.encode((job, _code_hash(), str(torch.__version__))))
        return self._folder / f"{job.task}-{job.arm}-{job.seed}-{key.hexdigest()[:16]}.json"


@cache
def _code_hash() -> str:
    """Return a hash of the sources that a run depends on: those of the package, and what builds and trains here."""
    package = Path(esper.__file__).parent
    here = Path(__file__).parent
    names = ("networks.py", "policies.py", "trial.py")
    paths = [*sorted(package.rglob("*.py")), *(here / name for name in names)]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
