"""Who is broken by a change."""

from enum import Flag, auto


class Break(Flag):
    """Kinds of breakage; a change may be of several."""

    WIRE_B = auto()
    """New readers meet old records: logs, checkpoints, SQL views."""
    WIRE_F = auto()
    """Old readers meet new records: dashboards, notebooks, pinned installations."""
    SOURCE = auto()
    """Python callers and readers: helpers, constructors, attributes, names of members."""
    SEM = auto()
    """Nothing fails, but the numbers mean something else."""
    POLICY = auto()
    """Nobody breaks, but a rule of keeping contracts is broken."""

    def __str__(self) -> str:
        names = (one.name or "" for one in self)
        return ", ".join("policy" if name == "POLICY" else name.replace("_", "-") for name in names)


NOTHING = Break(0)
WIRE = Break.WIRE_B | Break.WIRE_F
EVERYBODY = WIRE | Break.SOURCE
