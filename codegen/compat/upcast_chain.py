"""The upcasts from an old version of a contract to a new one, and the payload paths that they reach."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..contract.promises import Step, Upcast
from ..contract.versions import parse_version


@dataclass(frozen=True, slots=True)
class PayloadPath:
    """A path in the payload of an event, given by its old name; the empty path is the payload itself."""

    event: str
    path: str


class UpcastChain:
    """All upcasts that apply to the records of one version, in order."""

    def __init__(self, version: str, upcasts: Iterable[Upcast]) -> None:
        written_by = parse_version(version)
        self._upcasts = [one for one in upcasts if parse_version(one.version) > written_by]

    def follow(self, event: str) -> tuple[str, dict[str, Step]]:
        """Return the name of an event after all upcasts, and the steps that apply to its payload, by path."""
        steps: dict[str, Step] = {}
        for upcast in self._upcasts:
            for one in upcast.events:
                if one.event == event:
                    steps |= {step.path: step for step in one.steps}
                    event = one.becomes or event
                    break
        return event, steps


def quote_path(path: str) -> str:
    """Write a path as a YAML key, in quotes where its brackets would start a list or a mapping."""
    return path if path.replace("_", "a").replace(".", "a").isalnum() else f'"{path}"'
