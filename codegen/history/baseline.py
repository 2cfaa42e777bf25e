"""A baseline: a released contract in its normalised form, with hashes that detect later edits."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract.model import Contract
from ..reading import read_bounded
from .normal_form import NormalFormError, from_normal_form, to_normal_form

Shapes = dict[str, dict[str, str]]
"""Hashes of the output that a target rendered for an event, record or enum, by target and name."""

MAX_BYTES = 1 << 26

_KEYS = {"version", "digest", "previous", "golden", "shapes", "contract"}
_NAME = "name"
"""The key of the contract's file name, which the first baselines do not have."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A released contract."""

    contract: Contract
    digest: str
    """Hash of everything else in the file when it was released."""
    previous: str
    """Digest of the preceding release; empty for the first."""
    golden: str
    """Hash of the golden records."""
    shapes: Shapes
    is_intact: bool
    """Whether the file still has this digest."""


def write_baseline(
    contract: Contract, *, name: str, previous: str, golden: str, shapes: Shapes
) -> str:
    """Return the text of the baseline file of a contract.

    `name` is the name of the contract's file, `previous` the digest of the preceding release, and `golden` the text of
    the golden records.
    """
    plain: dict[str, Any] = {
        _NAME: name,
        "version": contract.version,
        "previous": previous,
        "golden": hash_golden(golden),
        "shapes": shapes,
        "contract": to_normal_form(contract),
    }
    digest = _hash(plain)
    return json.dumps({"digest": digest} | plain, indent=1, ensure_ascii=False) + "\n"


def read_baseline(path: Path, name: str) -> Baseline:
    """Read a baseline file; `name` is its name in findings.

    Raises:
        NormalFormError: the file cannot be read or is not a valid baseline; the message says why.
    """
    try:
        plain = json.loads(read_bounded(path, MAX_BYTES).decode())
    except OSError as error:
        raise NormalFormError(f"cannot read the baseline: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise NormalFormError(f"a baseline must be JSON, got: {error}") from None
    if not isinstance(plain, dict) or set(plain) - {_NAME} != _KEYS:
        raise NormalFormError(f"a baseline must have the keys {', '.join(sorted(_KEYS))}")
    for key in ("version", "digest", "previous", "golden", _NAME):
        if not isinstance(plain.get(key, ""), str):
            raise NormalFormError(f"{key} must be a string")
    rest = {key: value for key, value in plain.items() if key != "digest"}
    return Baseline(
        contract=from_normal_form(plain["contract"], name),
        digest=plain["digest"],
        previous=plain["previous"],
        golden=plain["golden"],
        shapes=_read_shapes(plain["shapes"]),
        is_intact=plain["digest"] == _hash(rest),
    )


def read_owner(path: Path) -> str:
    """Return the name of the contract's file that a baseline belongs to; empty if it is damaged or does not say."""
    try:
        plain = json.loads(read_bounded(path, MAX_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return ""
    name = plain.get(_NAME, "") if isinstance(plain, dict) else ""
    return name if isinstance(name, str) else ""


def hash_golden(text: str) -> str:
    """Return the hash of golden records, as baselines store it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(plain: dict[str, Any]) -> str:
    # Keys are sorted so that the hash depends on the content and not on the layout of the file.
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read_shapes(plain: object) -> Shapes:
    if not isinstance(plain, dict) or not all(isinstance(one, dict) for one in plain.values()):
        raise NormalFormError("shapes must be an object with an object for each target")
    return {target: {str(key): str(one) for key, one in plain[target].items()} for target in plain}
