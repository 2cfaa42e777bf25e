"""Who is affected by a change of the contract."""

from enum import Flag, auto


class Impact(Flag):
    """Who is affected by a change; several flags may be combined."""

    WIRE_B = auto()
    """New readers of old records: logs, checkpoints, SQL views (backward compatibility)."""
    WIRE_F = auto()
    """Old readers of new records: dashboards, notebooks, pinned installations (forward compatibility)."""
    SOURCE = auto()
    """Python code that uses helpers, constructors, attributes or names of members."""
    SEM = auto()
    """Nothing fails, but the numbers mean something else."""
    POLICY = auto()
    """Nobody is broken, but the change violates a rule about maintaining contracts."""

    def __str__(self) -> str:
        names = (one.name or "" for one in self)
        return ", ".join("policy" if name == "POLICY" else name.replace("_", "-") for name in names)


NO_IMPACT = Impact(0)
WIRE = Impact.WIRE_B | Impact.WIRE_F
WIRE_AND_SOURCE = WIRE | Impact.SOURCE
