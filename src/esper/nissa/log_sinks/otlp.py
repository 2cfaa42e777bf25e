"""Log sink `otlp`: a run as logs, metrics and a trace of OpenTelemetry, sent to a collector over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, ClassVar, Final, final

from esper._generated.enums import Resumption
from esper._generated.envelope import Envelope
from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS
from esper._generated.registry import LEVELS
from esper.leyline.text import encodable
from esper.nissa.log_sinks.otlp_http import OtlpClient, read_pairs
from esper.nissa.log_sinks.otlp_spans import Span, SpanTracker
from esper.nissa.reader import LoggedEvent
from esper.nissa.run_edges import is_running
from esper.nissa.shipping.log_sink import LogSink, ShippedRun, State, event_key
from esper.nissa.shipping.series import find_env, find_points
from esper.version import VERSION

_SEVERITIES: Final = {"debug": 5, "info": 9, "warning": 13, "error": 17}
_SCOPE = "esper.nissa"
_MAX_NAME = 255
"""Longest name of a metric in OpenTelemetry."""
_FLAGS = 0x101
"""The trace is sampled; and it is known that the parent span is of the same process."""
_INT64 = 2**63


@final
class OtlpSink(LogSink):
    """Sends each event as a log record, its scalars as points of gauges, and a run, its epochs and its seeds as spans.

    Its argument is the address of the collector, such as `http://collector:4318`. Further settings, and all secrets, are in
    the variables of the environment that OpenTelemetry has for them, such as `OTEL_EXPORTER_OTLP_HEADERS`.

    Everything has a key by which a receiver recognises what it has: a log record its `log.record.uid`, a point its time and
    attributes, a span its id.
    """

    RESUMPTION: ClassVar[Resumption] = Resumption.KEYS
    REQUIRES: ClassVar[tuple[str, ...]] = ("opentelemetry.proto",)
    EXTRA: ClassVar[str | None] = "otlp"

    def __init__(self) -> None:
        """Send nothing yet."""
        self._run: ShippedRun | None = None
        self._client: OtlpClient | None = None
        self._tracker: SpanTracker | None = None
        self._num_rejected = 0
        self._is_committed = False

    def open(self, run: ShippedRun, state: State | None) -> None:
        """Continue with the spans that had begun at the last commit.

        Raises:
            UsageError: the address or a variable of the environment cannot be used.
        """
        self._run = run
        self._client = OtlpClient(run.argument)
        self._tracker = SpanTracker(run.run_id, None if state is None else state["spans"])
        self._num_rejected = 0 if state is None else state["num_rejected"]
        self._is_committed = True

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Send the events, and the spans that end with them; the collector has acknowledged them when this returns.

        Raises:
            UsageError: the collector refuses them.
            OSError: the collector cannot be reached, or cannot take them now.
        """
        if not events:
            return
        assert self._client is not None
        assert self._tracker is not None
        self._is_committed = False
        spans = [span for event in events for span in self._tracker.take(event)]
        if self._client.sends("logs"):
            self._send_logs(events)
        if self._client.sends("metrics"):
            self._send_metrics(events)
        self._send_spans(spans)

    def commit(self) -> State:
        """Return the spans that have begun, and how much the collector has rejected."""
        assert self._client is not None
        assert self._tracker is not None
        self._is_committed = True
        num_rejected = self._num_rejected + self._client.num_rejected
        return {"spans": self._tracker.state_dict(), "num_rejected": num_rejected}

    def close(self) -> None:
        """Send the spans that nothing will end any more, if no process writes the run and every event is sent."""
        is_last = self._is_committed and self._run is not None and not is_running(self._run.folder)
        self._is_committed = False
        if is_last and self._tracker is not None:
            self._send_spans(self._tracker.unfinished())

    def _send_logs(self, events: Sequence[LoggedEvent]) -> None:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
            ExportLogsServiceRequest,
            ExportLogsServiceResponse,
        )

        assert self._client is not None
        assert self._tracker is not None
        request = ExportLogsServiceRequest()
        scopes: dict[str, Any] = {}
        trace_id = bytes.fromhex(self._tracker.trace_id)
        for event in events:
            envelope, payload = event
            scope = _scope_of(scopes, request.resource_logs, "scope_logs", envelope)
            level = LEVELS[envelope.event]
            record = scope.log_records.add(
                time_unix_nano=envelope.t_wall_ns,
                observed_time_unix_nano=envelope.t_wall_ns,
                severity_number=_SEVERITIES[level],
                severity_text=level.upper(),
                event_name=f"esper.{envelope.event.lower()}",
                trace_id=trace_id,
                span_id=bytes.fromhex(self._tracker.span_of(event)),
                flags=1,
            )
            _add(record.attributes, "log.record.uid", event_key(event))
            _add(record.attributes, "esper.log.seq", envelope.seq)
            _add(record.attributes, "esper.log.epoch", envelope.epoch)
            for one in EVENT_FIELDS[envelope.event]:
                _add(record.attributes, f"esper.{one.name}", getattr(payload, one.name))
        self._client.send("logs", request, ExportLogsServiceResponse())

    def _send_metrics(self, events: Sequence[LoggedEvent]) -> None:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
            ExportMetricsServiceResponse,
        )

        assert self._client is not None
        request = ExportMetricsServiceRequest()
        scopes: dict[str, Any] = {}
        metrics: dict[tuple[str, str], Any] = {}
        for event in events:
            envelope = event[0]
            env, writer = find_env(event), _writer(envelope)
            for point in find_points(event):
                key = (writer, _metric_name(point.name))
                if key not in metrics:
                    scope = _scope_of(scopes, request.resource_metrics, "scope_metrics", envelope)
                    metrics[key] = scope.metrics.add(name=key[1])
                added = metrics[key].gauge.data_points.add(
                    time_unix_nano=envelope.t_wall_ns, as_double=point.value
                )
                for label, value in point.labels.items():
                    _add(added.attributes, f"esper.{label}", value)
                _add(added.attributes, "esper.env_id", env)
        if metrics:
            self._client.send("metrics", request, ExportMetricsServiceResponse())

    def _send_spans(self, spans: Sequence[Span]) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
            ExportTraceServiceResponse,
        )

        assert self._client is not None
        assert self._tracker is not None
        assert self._run is not None
        if not spans or not self._client.sends("traces"):
            return
        request = ExportTraceServiceRequest()
        scopes: dict[str, Any] = {}
        for span in spans:
            scope = _scope_of(scopes, request.resource_spans, "scope_spans", span, self._run.run_id)
            _fill(scope.spans.add(trace_id=bytes.fromhex(self._tracker.trace_id)), span)
        self._client.send("traces", request, ExportTraceServiceResponse())


def _fill(message: Any, span: Span) -> None:
    """Write a span into a message of OpenTelemetry."""
    message.name = span.name
    message.span_id = bytes.fromhex(span.span_id)
    message.parent_span_id = bytes.fromhex(span.parent_id or "")
    message.flags = _FLAGS
    message.kind = message.SPAN_KIND_INTERNAL
    message.start_time_unix_nano = span.start_ns
    message.end_time_unix_nano = max(span.start_ns, span.end_ns)
    for name, value in span.attributes.items():
        _add(message.attributes, f"esper.{name}", value)
    if span.attributes.get("error_type"):
        _add(message.attributes, "error.type", span.attributes["error_type"])
    for name, t_ns, details in span.events:
        event = message.events.add(name=name, time_unix_nano=t_ns)
        for key, value in details.items():
            _add(event.attributes, f"esper.{key}", value)
    if span.error is None:
        message.status.code = message.status.STATUS_CODE_OK
    else:
        message.status.code = message.status.STATUS_CODE_ERROR
        message.status.message = span.error.strip()


def _scope_of(
    scopes: dict[str, Any], resources: Any, field: str, writer: Envelope | Span, run_id: str = ""
) -> Any:
    """Return the part of a request for a writer: its resource, and Esper as the scope."""
    key = _writer(writer)
    if key not in scopes:
        run = writer.run if isinstance(writer, Envelope) else run_id
        owner = resources.add()
        attributes = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME") or "esper",
            "service.instance.id": f"{run}/{key}",
            **read_pairs("OTEL_RESOURCE_ATTRIBUTES"),
            "esper.run.id": run,
            "esper.rank": writer.rank,
            "esper.boot": writer.boot,
        }
        for name, value in attributes.items():
            _add(owner.resource.attributes, name, value)
        scopes[key] = getattr(owner, field).add()
        scopes[key].scope.name, scopes[key].scope.version = _SCOPE, VERSION
    return scopes[key]


def _writer(writer: Envelope | Span) -> str:
    return f"{writer.rank}/{writer.boot}"


@lru_cache(maxsize=4096)
def _metric_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"esper.{name.replace('/', '.')}")[:_MAX_NAME]


def _add(attributes: Any, name: str, value: object) -> None:
    """Add an attribute; None is left out."""
    if value is not None:
        _set(attributes.add(key=encodable(name)).value, value)


def _set(message: Any, value: object) -> None:
    """Write a value of an event into an `AnyValue`: records become maps, enums their names."""
    match value:
        case None:
            pass
        case bool():
            message.bool_value = value
        case Enum():
            message.string_value = value.name
        case int() if -_INT64 <= value < _INT64:
            message.int_value = value
        case int() | float():
            message.double_value = float(value)
        case str():
            message.string_value = encodable(value)
        case Mapping():
            message.kvlist_value.SetInParent()
            for key, one in value.items():
                _add(message.kvlist_value.values, key, one)
        case tuple() | list():
            message.array_value.SetInParent()
            for one in value:
                _set(message.array_value.values.add(), one)
        case _:
            message.kvlist_value.SetInParent()
            for declared in RECORD_FIELDS[type(value).__name__]:
                _add(message.kvlist_value.values, declared.name, getattr(value, declared.name))
