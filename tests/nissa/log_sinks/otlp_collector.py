"""A collector on the loopback interface: decodes what it is sent with the messages of OpenTelemetry, and keeps it."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

REQUESTS = {
    "/v1/logs": logs.ExportLogsServiceRequest,
    "/v1/metrics": metrics.ExportMetricsServiceRequest,
    "/v1/traces": traces.ExportTraceServiceRequest,
}


class Collector:
    """Answers with the statuses in `answers` first, then takes everything.

    Attributes:
        url: its address.
        answers: status, headers and body of the next answers.
        bodies: path and body of each request that it has taken.
        headers: the headers of each request.
    """

    def __init__(self):
        self.answers, self.bodies, self.headers = [], [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                outer.headers.append(self.headers)
                status, more, answer = outer.answers.pop(0) if outer.answers else (200, {}, b"")
                if status == 200:
                    outer.bodies.append((self.path, body))
                self.send_response(status)
                more = {"Content-Type": "application/x-protobuf", **more}
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _messages(self, path):
        return [REQUESTS[path].FromString(body) for at, body in self.bodies if at == path]

    def log_records(self):
        """Return every log record, as often as it came."""
        return [
            record
            for request in self._messages("/v1/logs")
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def spans(self):
        """Return every span, as often as it came."""
        return [
            span
            for request in self._messages("/v1/traces")
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def points(self):
        """Return name, attributes, time and value of every point, as often as it came."""
        return [
            (metric.name, plain(point.attributes), point.time_unix_nano, point.as_double)
            for request in self._messages("/v1/metrics")
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.gauge.data_points
        ]

    def resources(self):
        """Return the attributes of every resource."""
        return [
            plain(resource.resource.attributes)
            for request in self._messages("/v1/logs")
            for resource in request.resource_logs
        ]


def plain(attributes):
    """Return attributes as a dictionary."""
    return {one.key: value_of(one.value) for one in attributes}


def value_of(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return plain(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
