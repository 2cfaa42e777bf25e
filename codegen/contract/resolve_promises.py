"""From what a contract says about change, as written, to the same as meant."""

from .promises import EventUpcast, Exemption, Promise, Step, Upcast
from .spec_promises import EventUpcastSpec, ExemptionSpec, PromiseSpec, StepSpec, UpcastSpec
from .versions import parse_version


def to_promise(spec: PromiseSpec | None) -> Promise:
    """Turn a promise into the model's; nothing said is nothing promised beyond the stability."""
    if spec is None:
        return Promise()
    return Promise(wire=spec.wire, transitive=spec.transitive, source=spec.source)


def to_upcasts(specs: tuple[UpcastSpec, ...]) -> tuple[Upcast, ...]:
    """Turn upcasts into the model's, the oldest version first."""
    upcasts = [
        Upcast(
            version=spec.name,
            span=spec.span,
            doc=spec.doc,
            events=tuple(_to_event_upcast(event) for event in spec.events),
        )
        for spec in specs
    ]
    return tuple(sorted(upcasts, key=lambda one: parse_version(one.version)))


def to_exemptions(specs: tuple[ExemptionSpec, ...]) -> tuple[Exemption, ...]:
    """Turn exemptions into the model's."""
    return tuple(
        Exemption(name=spec.name, span=spec.span, until=spec.until, why=spec.why) for spec in specs
    )


def _to_event_upcast(spec: EventUpcastSpec) -> EventUpcast:
    return EventUpcast(
        event=spec.name,
        span=spec.span,
        becomes=spec.becomes,
        steps=tuple(_to_step(step) for step in spec.fields),
    )


def _to_step(spec: StepSpec) -> Step:
    return Step(
        path=spec.name,
        span=spec.span,
        move=spec.move,
        fill=spec.fill,
        convert=spec.convert,
        factor=spec.factor,
        offset=spec.offset,
        round=spec.round,
        clamp=spec.clamp,
        values=spec.values,
        otherwise=spec.otherwise,
    )
