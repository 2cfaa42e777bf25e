"""Grow PyTorch networks while they train, under a governor that never loses the run."""

import importlib
from typing import TYPE_CHECKING

from esper import version

if TYPE_CHECKING:
    from esper.kasmina.graft import SlotSpec, find_slots, graft, ungraft
    from esper.kasmina.slot import SeedSlot
    from esper.loading import load
    from esper.nissa.hub import Hub
    from esper.nissa.log import RunLog
    from esper.tolaria.governor import TolariaGovernor

__all__ = [
    "Hub",
    "RunLog",
    "SeedSlot",
    "SlotSpec",
    "TolariaGovernor",
    "__version__",
    "find_slots",
    "graft",
    "load",
    "ungraft",
]

__version__ = version.VERSION

# Looked up on first use, so that reading telemetry never imports torch.
_HOMES = {
    "Hub": "esper.nissa.hub",
    "RunLog": "esper.nissa.log",
    "SeedSlot": "esper.kasmina.slot",
    "SlotSpec": "esper.kasmina.graft",
    "TolariaGovernor": "esper.tolaria.governor",
    "find_slots": "esper.kasmina.graft",
    "graft": "esper.kasmina.graft",
    "load": "esper.loading",
    "ungraft": "esper.kasmina.graft",
}


def __getattr__(name: str) -> object:
    """Return a public name from its room."""
    if name not in _HOMES:
        raise AttributeError(f'esper has no "{name}"; it has: {", ".join(__all__)}')
    return getattr(importlib.import_module(_HOMES[name]), name)
