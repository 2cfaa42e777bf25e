"""A cache of rendered texts outside the project, so that a run with an unchanged contract renders nothing again.

For each target of a package the cache holds the last rendering, in a file of its own: every part, as it was rendered
and as it was formatted. If everything that decides a text is unchanged, the texts are taken from it; otherwise the
parts that are rendered as before are not formatted again. Without the cache a run gives the same texts, only later.

Whoever can write to the cache decides what a check accepts, so it is trusted as much as the installed generator and no
more: the folder belongs to the user, nobody else may write to it, and it is never inside the project, where a commit
could fill it.
"""

import hashlib
import json
import os
import stat
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from ..atomic import find_left_over, staged
from ..contract.model import Contract
from ..diagnostics.errors import UsageError
from .formatting import installed_version

VARIABLE = "ESPER_CODEGEN_CACHE"
"""The environment variable that names the folder of the cache, or is `off`."""

_OFF = "off"
_FORMAT = "1"
_GENERATOR = Path(__file__).parents[1]
_FORMATTING = ("output/formatting.py", "output/finish.py", "languages/python/quoting.py")
_SOURCES = (".py", ".j2")
_DISTRIBUTIONS = ("black", "Jinja2", "MarkupSafe", "PyYAML")
_PROJECT_MARKS = (".git", "pyproject.toml")
_ENTRY_BYTES = 256 * 2**20
_FOLDER_BYTES = 512 * 2**20
_NUM_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class CachedPart:
    """A part of a file: its key, the hash of its text as rendered, and its final text."""

    key: str
    rendered: str
    text: str


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of a target: its path below the target's folder, the hash of its parts of the contract, and its parts."""

    path: str
    spec: str
    parts: tuple[CachedPart, ...]


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files of a target, the key of everything that decided them, and that of everything that formatted them."""

    key: str
    formatting: str
    files: tuple[CachedFile, ...]

    def formatted_parts(self, formatting: str) -> dict[str, str]:
        """Return the formatted parts by the hashes of their rendered texts, if they were formatted in this way."""
        if self.formatting != formatting:
            return {}
        return {part.rendered: part.text for one in self.files for part in one.parts}


class Cache:
    """Stores the last rendering of each target in a folder; whatever is damaged there is rendered again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, slot: str) -> Rendering | None:
        """Return the rendering in a slot; None if there is no complete one that only this user could write."""
        try:
            data = self._read(self._path(slot))
        except OSError:
            return None
        digest, _, content = data.partition(b"\n")
        if digest != hashlib.sha256(content).hexdigest().encode():
            return None
        try:
            key, formatting, files = json.loads(content)
            return Rendering(
                key,
                formatting,
                tuple(
                    CachedFile(path, spec, tuple(CachedPart(*part) for part in parts))
                    for path, spec, parts in files
                ),
            )
        # Another version of the generator wrote it.
        except (ValueError, TypeError):
            return None

    def store(self, slot: str, rendering: Rendering) -> None:
        """Store a rendering if possible; the oldest ones are removed if the folder is full."""
        files = [
            [one.path, one.spec, [[part.key, part.rendered, part.text] for part in one.parts]]
            for one in rendering.files
        ]
        content = json.dumps([rendering.key, rendering.formatting, files]).encode()
        data = hashlib.sha256(content).hexdigest().encode() + b"\n" + content
        # A cache that cannot be written costs time, and nothing else.
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if len(data) <= _ENTRY_BYTES and _is_private(os.lstat(self._folder)):
                path = self._path(slot)
                with staged([(path, data)]) as temporary:
                    temporary[0].replace(path)
                self._prune()

    def _path(self, slot: str) -> Path:
        return self._folder / f"{_hash(_FORMAT, slot)}.json"

    def _read(self, path: Path) -> bytes:
        if not _is_private(os.lstat(self._folder)):
            return b""
        flags = os.O_RDONLY | (os.O_NOFOLLOW if sys.platform != "win32" else 0)
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            is_ours = stat.S_ISREG(status.st_mode) and _is_private(status)
            return file.read(_ENTRY_BYTES) if is_ours else b""

    def _prune(self) -> None:
        entries = sorted(self._folder.glob("*.json"), key=_changed_at, reverse=True)
        num_bytes = 0
        for index, path in enumerate(entries):
            num_bytes += path.stat().st_size
            if index >= _NUM_ENTRIES or num_bytes > _FOLDER_BYTES:
                path.unlink(missing_ok=True)
        now = _changed_at(entries[0])
        for path in find_left_over(self._folder):
            # Another process may be writing a younger one.
            if _changed_at(path) < now - 3600:
                path.unlink(missing_ok=True)


def find_cache(spec: Path) -> Cache | None:
    """Return the cache for the contract at `spec`; None if it is switched off, or would be inside the project.

    Raises:
        UsageError: the environment variable names a folder inside the project.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen == _OFF:
        return None
    folder = Path(chosen).absolute() if chosen else _default_folder()
    project = _find_project(spec)
    if folder is None:
        return None
    if not folder.resolve().is_relative_to(project):
        return Cache(folder)
    if chosen:
        raise UsageError(
            f"{VARIABLE} must name a folder outside {project}, where no commit can fill it, got {folder}"
        )
    return None


def hash_contract(contract: Contract) -> str:
    """Return the hash of a resolved contract, with the modules that use it."""
    return _hash(repr(contract), repr(asdict(contract.users)))


def hash_rendering(contract: str, package: str, target: str, *, is_formatted: bool) -> str:
    """Return the key of everything that decides the texts of a target; `contract` is the hash of the contract.

    Targets get the resolved contract and the name of the package, and nothing else: neither the options of the run nor
    the files of earlier releases. Headers are added later.
    """
    return _hash(
        _hash_sources(_SOURCES), *_versions(), contract, package, target, str(is_formatted)
    )


def hash_formatting(*, is_formatted: bool) -> str:
    """Return the key of everything that turns a rendered part into a formatted one."""
    return _hash(_hash_sources(_FORMATTING), *_versions(), str(is_formatted))


def hash_part(text: str) -> str:
    """Return the hash of a part as it was rendered."""
    return _hash(text)


def _hash(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        # With the length before each text, no two lists of texts give the same bytes.
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


@cache
def _hash_sources(ends: tuple[str, ...]) -> str:
    """Return the hash of the generator's own files with these ends of their names, as they are when it is first asked."""
    names = {path.relative_to(_GENERATOR).as_posix(): path for path in _GENERATOR.rglob("*")}
    wanted = sorted(name for name in names if name.endswith(ends) and names[name].is_file())
    return _hash(
        *(
            text
            for name in wanted
            for text in (name, hashlib.sha256(names[name].read_bytes()).hexdigest())
        )
    )


@cache
def _versions() -> tuple[str, ...]:
    return (sys.version, *map(installed_version, _DISTRIBUTIONS))


def _default_folder() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME", "")
    with suppress(RuntimeError):
        if Path(base).is_absolute():
            return Path(base) / "esper-codegen"
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "esper-codegen" / "cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "esper-codegen"
        return Path.home() / ".cache" / "esper-codegen"
    return None


def _find_project(spec: Path) -> Path:
    """Return the nearest folder around a contract that looks like a project, or else the folder of the contract."""
    folder = spec.parent.resolve()
    for mark in _PROJECT_MARKS:
        for one in (folder, *folder.parents):
            if (one / mark).exists():
                return one
    return folder


def _is_private(status: os.stat_result) -> bool:
    """Return whether only this user can write to a folder or file."""
    if sys.platform == "win32":
        return True
    is_shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not is_shared and not stat.S_ISLNK(status.st_mode)


def _changed_at(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0
