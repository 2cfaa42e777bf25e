"""How much is rendered, and how."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person can choose.

    `targets` are the targets to render, all of them when it is empty. `is_formatted` is whether Python goes
    through black. `is_fresh` is whether everything is formatted again, even what the header of a file on disk
    certifies.
    """

    targets: frozenset[str] = frozenset()
    is_formatted: bool = True
    is_fresh: bool = False
