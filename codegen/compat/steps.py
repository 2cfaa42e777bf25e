"""The upcasts that lead from an old contract to a new one, and the places in payloads that they reach."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..contract.promises import Step, Upcast
from ..contract.versions import parse_version


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the payload of an event, called by its old name; the payload itself is the empty path."""

    event: str
    path: str


class Steps:
    """What upcasts do to the records of one version."""

    def __init__(self, version: str, upcasts: Iterable[Upcast]) -> None:
        written = parse_version(version)
        self._upcasts = [one for one in upcasts if parse_version(one.version) > written]

    def follow(self, event: str) -> tuple[str, dict[str, Step]]:
        """Return the name that an event gets in the end, and the steps of its upcasts by path."""
        steps: dict[str, Step] = {}
        for upcast in self._upcasts:
            for one in upcast.events:
                if one.event == event:
                    steps |= {step.path: step for step in one.steps}
                    event = one.becomes or event
                    break
        return event, steps


def quote_path(path: str) -> str:
    """Spell a path as YAML does: brackets would begin a list."""
    return path if path.replace("_", "a").replace(".", "a").isalnum() else f'"{path}"'
