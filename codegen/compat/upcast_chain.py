"""The upcasts from an old version of a contract to a new one, and the payload paths that they reach."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..contract.promises import EventUpcast, Step, Upcast
from ..contract.versions import parse_version
from .impact import Impact


@dataclass(frozen=True, slots=True)
class PayloadPath:
    """A path in the payload of an event, given by its old name; the empty path is the payload itself."""

    event: str
    path: str
    protected: Impact
    """Which readers the event promises not to break."""


class UpcastChain:
    """All upcasts that apply to the records of one version, in order."""

    def __init__(self, version: str, upcasts: Iterable[Upcast]) -> None:
        written_by = parse_version(version)
        self._upcasts = [one for one in upcasts if parse_version(one.version) > written_by]

    def stages(self, event: str) -> Iterator[EventUpcast]:
        """Yield what each upcast does with an event, which may get other names on the way."""
        for upcast in self._upcasts:
            for one in upcast.events:
                if one.event == event:
                    yield one
                    event = one.becomes or event
                    break

    def name_of(self, event: str) -> str:
        """Return the name of an event after all upcasts."""
        for one in self.stages(event):
            event = one.becomes or event
        return event

    def steps_of(self, event: str) -> dict[str, Step]:
        """Return the steps that apply to the payload of an event, by path."""
        return {step.path: step for one in self.stages(event) for step in one.steps}

    def origins(self, event: str) -> dict[str, str]:
        """Return the old paths of the values of an event that upcasts have moved, by their new paths."""
        origins: dict[str, str] = {}
        for one in self.stages(event):
            moved = {step.path: step.move or step.convert for step in one.steps}
            origins |= {
                path: origins.get(old, old) for path, old in moved.items() if old is not None
            }
        return origins


def quote_path(path: str) -> str:
    """Write a path as a YAML key, in quotes where its brackets would start a list or a mapping."""
    return path if path.replace("_", "a").replace(".", "a").isalnum() else f'"{path}"'
