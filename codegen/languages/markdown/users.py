"""Who uses what, as the reference names them."""

from collections.abc import Iterable

from ...contract.model import Event, Field, FromContext, Record
from ...contract.users import Users
from .quoting import Markdown, join, span


class NamedUsers:
    """Names modules from the package they share with the generated one."""

    def __init__(self, users: Users, package: str) -> None:
        self._users = users
        self._prefix = package.partition(".")[0] + "."

    def emitters(self, event: Event) -> Markdown:
        """Name the modules that emit an event; nothing when there is none."""
        return self._name(self._users.emitters.get(event.name, ()))

    def readers(self, owner: Event | Record) -> dict[str, Markdown]:
        """Name the modules that read a field, by the field's name."""
        named = {}
        for value in owner.fields:
            is_context = isinstance(value, Field) and isinstance(value.capture, FromContext)
            place = "context" if is_context else owner.name
            named[value.name] = self._name(self._users.readers.get(f"{place}.{value.name}", ()))
        return named

    def _name(self, modules: Iterable[str]) -> Markdown:
        return join(", ", [span(one.removeprefix(self._prefix)) for one in modules])
