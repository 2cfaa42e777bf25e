"""A baseline: a released contract in its normalised form, with what proves that nobody has edited it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract.model import Contract
from .normal import NormalFormError, from_plain, to_plain

Shapes = dict[str, dict[str, str]]
"""By target and name: hashes of what a target made of an event, record or enum."""

_KEYS = {"version", "digest", "previous", "golden", "shapes", "contract"}


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A released contract."""

    contract: Contract
    digest: str
    """Hash of everything else in the file, as it was when it was released."""
    previous: str
    """Digest of the release before; empty for the first."""
    golden: str
    """Hash of the golden records."""
    shapes: Shapes
    is_intact: bool
    """Whether the digest is still that of the file."""


def write_baseline(contract: Contract, *, previous: str, golden: str, shapes: Shapes) -> str:
    """Return the text of a contract's baseline file.

    `previous` is the digest of the release before, `golden` the text of the golden records.
    """
    plain: dict[str, Any] = {
        "version": contract.version,
        "previous": previous,
        "golden": hash_golden(golden),
        "shapes": shapes,
        "contract": to_plain(contract),
    }
    digest = _hash(plain)
    return json.dumps({"digest": digest} | plain, indent=1, ensure_ascii=False) + "\n"


def read_baseline(path: Path, name: str) -> Baseline:
    """Read a baseline file, which findings call `name`.

    Raises:
        NormalFormError: the file cannot be read, or is no baseline; the error says why.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NormalFormError(f"cannot read the baseline: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise NormalFormError(f"a baseline is JSON: {error}") from None
    if not isinstance(plain, dict) or set(plain) != _KEYS:
        raise NormalFormError(f"a baseline has the keys {', '.join(sorted(_KEYS))}")
    for key in ("version", "digest", "previous", "golden"):
        if not isinstance(plain[key], str):
            raise NormalFormError(f"{key} must be a text")
    rest = {key: value for key, value in plain.items() if key != "digest"}
    return Baseline(
        contract=from_plain(plain["contract"], name),
        digest=plain["digest"],
        previous=plain["previous"],
        golden=plain["golden"],
        shapes=_read_shapes(plain["shapes"]),
        is_intact=plain["digest"] == _hash(rest),
    )


def hash_golden(text: str) -> str:
    """Hash golden records."""
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(plain: dict[str, Any]) -> str:
    # Keys are sorted so that it is the meaning that counts, not the layout of the file.
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read_shapes(plain: object) -> Shapes:
    if not isinstance(plain, dict) or not all(isinstance(one, dict) for one in plain.values()):
        raise NormalFormError("shapes must be objects by target")
    return {target: {str(key): str(one) for key, one in plain[target].items()} for target in plain}
