"""What the templates see of what is built quickly: payloads by their emission helpers, and the envelope."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...contract.model import Envelope, Event, FromContext, MapType, Value
from .annotations import annotate, default_of
from .checks import check_expression, quick_condition
from .modules import draft_name, helper_name
from .quoting import Python, code, doc, ident, join, lit
from .views import FieldView, RecordView, check_lines, view_field


@dataclass(frozen=True, slots=True)
class GuardView:
    """Fields that are captured while an attribute of the source is true."""

    attribute: Python
    fields: tuple[FieldView, ...]

    @property
    def only(self) -> FieldView | None:
        """The field, when there is but one."""
        return self.fields[0] if len(self.fields) == 1 else None


class EventView:
    """An event: its payload, its draft and its emission helper."""

    def __init__(self, event: Event) -> None:
        views = {one.name: view_field(one) for one in event.fields}
        self.literal = lit(event.name)
        self.doc = doc(_describe(event), indent=4)
        self.payload = ident(event.payload)
        self.draft = ident(draft_name(event))
        self.draft_doc = doc(f"The {event.payload} while it is being filled.", indent=4)
        self.is_told = event.retired is None
        self.helper = ident(helper_name(event))
        self.helper_doc = doc(f"Emit {event.name}. {event.doc}", indent=4)
        self.fields = list(views.values())
        self.checks = list(check_lines(event.fields))
        self.parameters = _parameters(event)
        guards = event.guards
        self.captured = [views[one.name] for one in guards.pop(None, ())]
        self.guards = [
            GuardView(ident(str(guard)), tuple(views[one.name] for one in fields))
            for guard, fields in guards.items()
        ]
        self.stamped = [views[one.name] for one in event.stamped]
        # The context has checked itself when it was bound.
        unchecked = [one for one in event.fields if not isinstance(one.capture, FromContext)]
        self.normalized, self.condition = _check(unchecked)
        self.keywords = _pass_on(event.fields)


class EnvelopeView(RecordView):
    """The envelope, with the function that builds one quickly."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__("Envelope", envelope.doc, envelope.fields)
        given = [one for one in envelope.fields if one.name != "v"]
        self.given = [ident(one.name) for one in given]
        self.parameters = join(", ", [_parameter(one) for one in given])
        self.normalized, self.condition = _check(given)
        self.keywords = _pass_on(given)


def _describe(event: Event) -> str:
    return f"{event.doc} Deprecated: {event.deprecated}" if event.deprecated else event.doc


def _parameters(event: Event) -> Python:
    parameters = [Python("channel: Channel")]
    if event.source is not None:
        parameters.append(code("source: {source}", source=ident(event.source)))
    if event.arguments:
        parameters.append(Python("*"))
    return join(", ", [*parameters, *(_parameter(one) for one in event.arguments)])


def _parameter(value: Value) -> Python:
    parameter = code("{name}: {annotation}", name=ident(value.name), annotation=annotate(value))
    default = default_of(value)
    # A dict would be shared by all calls, so a map has no default here.
    if default is None or isinstance(value.type, MapType):
        return parameter
    return code("{parameter} = {default}", parameter=parameter, default=default)


def _check(values: Iterable[Value]) -> tuple[list[Python], Python]:
    """Return what is checked beforehand, because no quick condition can tell, and the condition for the rest."""
    lines: list[Python] = []
    conditions = [Python("CAN_SWAP")]
    for value in values:
        name = ident(value.name)
        condition = quick_condition(value, name)
        if condition is None:
            lines += _normalize(value, name)
        else:
            conditions.append(condition)
    return lines, join(" and ", conditions)


def _normalize(value: Value, name: Python) -> Iterator[Python]:
    line = code("{name} = {check}", name=name, check=check_expression(value, name))
    if value.nullable:
        yield code("if {name} is not None:", name=name)
        line = code("    {line}", line=line)
    yield line


def _pass_on(values: Iterable[Value]) -> Python:
    return join(", ", [code("{name}={name}", name=ident(value.name)) for value in values])
