"""What the sink `otlp` sends, as a collector takes it; `make test-sinks` installs the messages and a real collector."""

import json
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from esper._generated.fields import EVENT_FIELDS
from esper._generated.registry import LEVELS
from esper.cli import main
from esper.leyline.errors import UsageError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.log_sinks.otlp import OtlpSink
from esper.nissa.shipping.carrier import Carrier
from esper.nissa.shipping.config import ShipConfig
from esper.nissa.shipping.log_sink import ShippedRun, event_key
from esper.nissa.shipping.selection import Selection
from esper.nissa.sinks.memory import MemorySink
from esper.testing.sample_events import make_every_event, make_series
from esper.testing.sink_contract import SinkContract
from tests.nissa.sample_events import (
    SECRET,
    add_secrets,
    emit_germination,
    emit_start,
    emit_whole_run,
)

pytest.importorskip("opentelemetry.proto", reason="the sink otlp is not tested: make test-sinks")
from tests.nissa.log_sinks.otlp_collector import Collector, plain

UNAVAILABLE = (503, {}, b"")


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    for name in ("ENDPOINT", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


class TestOtlpSink(SinkContract):
    sink_class = OtlpSink

    @pytest.fixture(autouse=True)
    def take_collector(self, collector):
        self.collector = collector

    def make_argument(self, folder):
        return self.collector.url

    def read_back(self, run):
        # A receiver keeps one of several log records with the same `log.record.uid`.
        return {plain(one.attributes)["log.record.uid"] for one in self.collector.log_records()}


def send(collector, events, folder, state=None):
    sink = OtlpSink()
    sink.open(ShippedRun(run_id="run", folder=folder, argument=collector.url), state)
    sink.write(events)
    state = json.loads(json.dumps(sink.commit(), allow_nan=False))
    sink.close()
    return state


def whole_run(env_id=0, rank=0):
    with Hub("run", rank=rank) as hub:
        memory = hub.attach(MemorySink())
        emit_whole_run(hub.channel(env_id=env_id))
        return list(memory.events)


def carry(run, **settings):
    """Carry the log of `run` to the sink, as `esper ship` does."""
    config = ShipConfig(commit_interval_s=0.0, first_delay_s=0.0, max_failures=9, **settings)
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        carrier = Carrier(
            run, "otlp", OtlpSink, config,
            channel=hub.channel(), follow=False, stop=threading.Event(),
        )  # fmt: skip
        try:
            return carrier.carry(), memory
        except UsageError as error:
            return error, memory


def log_of(folder, emit=emit_whole_run):
    with Hub("run") as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))


def test_a_run_is_a_trace_of_epochs_and_seeds(collector, tmp_path):
    send(collector, whole_run(), tmp_path)

    spans = collector.spans()
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == len(spans) == 1 + 8 + 2
    (root,) = [span for span in spans if not span.parent_span_id]
    assert (root.name, root.status.code, plain(root.attributes)["esper.task"]) == ("run", 1, "digits")  # fmt: skip
    assert {span.parent_span_id for span in spans if span is not root} == {root.span_id}
    epochs = [span for span in spans if span.name == "epoch"]
    assert [plain(span.attributes)["esper.epoch"] for span in epochs] == list(range(1, 9))
    assert {span.end_time_unix_nano - span.start_time_unix_nano for span in epochs} == {500_000_000}


def test_the_life_of_a_seed_has_its_stages(collector, tmp_path):
    send(collector, whole_run(), tmp_path)

    seeds = {
        plain(span.attributes)["esper.slot_id"]: span
        for span in collector.spans()
        if span.name == "seed"
    }
    stages = {slot: [event.name for event in span.events] for slot, span in seeds.items()}
    assert stages == {
        "r0c0": ["TRAINING", "BLENDING", "HOLDING", "FOSSILIZED"],
        "r0c1": ["TRAINING", "PRUNED"],
    }
    outcomes = {slot: plain(span.attributes)["esper.outcome"] for slot, span in seeds.items()}
    assert outcomes == {"r0c0": "FOSSILIZED", "r0c1": "PRUNED"}


def test_every_event_is_a_log_record_with_all_its_fields(collector, tmp_path):
    events = make_every_event()
    send(collector, events, tmp_path)

    records = collector.log_records()
    assert [record.event_name for record in records] == [
        f"esper.{event.event.lower()}" for event, _ in events
    ]
    for (envelope, payload), record in zip(events, records, strict=True):
        attributes = plain(record.attributes)
        assert record.severity_text.lower() == LEVELS[envelope.event]
        assert attributes["log.record.uid"] == event_key((envelope, payload))
        for one in EVENT_FIELDS[envelope.event]:
            is_there = f"esper.{one.name}" in attributes
            assert is_there == (getattr(payload, one.name) is not None), (envelope.event, one.name)


def test_log_records_belong_to_spans(collector, tmp_path):
    send(collector, whole_run(), tmp_path)

    assert {record.span_id for record in collector.log_records()} <= {
        span.span_id for span in collector.spans()
    }


def test_scalars_are_gauges_with_slots_as_labels(collector, tmp_path):
    send(collector, [*whole_run(), *make_series(2)], tmp_path)

    points = collector.points()
    accuracy = [value for name, _, _, value in points if name == "esper.epoch_completed.val_accuracy"]  # fmt: skip
    assert accuracy == [80.0 + 2 * epoch for epoch in range(1, 9)]
    stages = [
        (labels["esper.slot_id"], value)
        for name, labels, _, value in points
        if name == "esper.seed_stage_changed.to_stage"
    ]
    assert sorted(stages) == [("r0c0", 3.0), ("r0c0", 4.0), ("r0c0", 6.0), ("r0c0", 7.0), ("r0c1", 3.0), ("r0c1", 8.0), ("r0c1", 9.0)]  # fmt: skip
    assert "esper.metrics_logged.metrics.loss" in {name for name, *_ in points}


def test_every_scalar_of_the_contract_is_a_gauge(collector, tmp_path):
    send(collector, make_every_event(), tmp_path)

    names = [name.split(".") for name, *_ in collector.points()]
    for event, declared in EVENT_FIELDS.items():
        found = {part for parts in names if parts[1] == event.lower() for part in parts}
        assert {one.name for one in declared if one.plot == "scalar"} <= found, event


def test_a_resource_says_which_run(collector, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab%20two,team=x")
    send(collector, make_series(1), tmp_path)

    (resource,) = collector.resources()
    assert resource == {
        "service.name": "esper", "service.instance.id": "run/0/00f1",
        "deployment.environment.name": "lab two", "team": "x",
        "esper.run.id": "run", "esper.rank": 0, "esper.boot": "00f1",
    }  # fmt: skip


def test_what_is_sent_again_has_the_same_ids(collector, tmp_path):
    events = whole_run()
    send(collector, events, tmp_path)
    first = {span.span_id: span.SerializeToString(deterministic=True) for span in collector.spans()}
    points = collector.points()
    state = None
    for start in range(0, len(events), 3):
        state = send_part(collector, events[start : start + 3], tmp_path, state)

    again = collector.spans()[len(first) :]
    assert {span.span_id: span.SerializeToString(deterministic=True) for span in again} == first
    assert sorted(map(str, collector.points()[len(points) :])) == sorted(map(str, points))


def send_part(collector, events, folder, state):
    """Send events as a worker that is killed after the commit."""
    sink = OtlpSink()
    sink.open(ShippedRun(run_id="run", folder=folder, argument=collector.url), state)
    sink.write(events)
    return json.loads(json.dumps(sink.commit(), allow_nan=False))


def test_each_process_is_a_span_and_ranks_are_in_the_same_trace(collector, tmp_path):
    send(collector, [*whole_run(), *whole_run(), *whole_run(rank=1)], tmp_path)

    runs = [span for span in collector.spans() if span.name == "run"]
    assert len({span.span_id for span in runs}) == 3
    (root,) = [span for span in runs if not span.parent_span_id]
    assert {span.parent_span_id for span in runs if span is not root} == {root.span_id}


def test_a_run_that_was_killed_has_its_span_too(collector, tmp_path):
    def emit(channel):
        emit_start(channel)
        channel.advance(epoch=1)
        emit_germination(channel)

    log_of(tmp_path / "run", emit)
    carry(ShippedRun(run_id="run", folder=tmp_path / "run", argument=collector.url))

    by_name = {span.name: span for span in collector.spans()}
    assert by_name["run"].status.message == "the process ended without RUN_FINISHED"
    assert plain(by_name["seed"].attributes)["esper.outcome"] == "ALIVE"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_collector_that_cannot_take_it_now_is_asked_again(collector, tmp_path, status):
    collector.answers += [(status, {"Retry-After": "0"}, b"later"), UNAVAILABLE]
    log_of(tmp_path / "run")

    is_done, memory = carry(
        ShippedRun(run_id="run", folder=tmp_path / "run", argument=collector.url)
    )

    failed = [payload.message for one, payload in memory.events if one.event == "SINK_FAILED"]
    assert is_done
    assert len(failed) == 2
    assert f"cannot take logs now: {status} later" in failed[0]
    assert len(collector.spans()) == 11


def test_a_collector_that_is_away_is_waited_for(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        log_of(tmp_path / "run")
        is_done, memory = carry(ShippedRun(run_id="run", folder=tmp_path / "run", argument=url))

    failed = [payload.message for one, payload in memory.events if one.event == "SINK_FAILED"]
    assert not is_done
    assert len(failed) == 9
    assert "Connection refused" in failed[0]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413])
def test_a_refused_message_is_not_sent_again(collector, tmp_path, status):
    collector.answers = [(status, {"Location": "http://127.0.0.1:9/"}, b"no such thing")] * 9
    log_of(tmp_path / "run")

    error, memory = carry(ShippedRun(run_id="run", folder=tmp_path / "run", argument=collector.url))

    assert isinstance(error, UsageError)
    assert f"must accept logs, got {status} no such thing; check the address" in str(error)
    assert len(collector.headers) == 1
    assert [one.event for one, _ in memory.events].count("SINK_FAILED") == 1


def test_what_a_collector_rejects_is_counted(collector, tmp_path, capsys):
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    partial = ExportLogsServiceResponse()
    partial.partial_success.rejected_log_records = 3
    partial.partial_success.error_message = "too old"
    collector.answers = [(200, {}, partial.SerializeToString())]

    state = send(collector, make_series(5), tmp_path)

    assert state["num_rejected"] == 3
    assert capsys.readouterr().err == "the collector has rejected 3 of the logs: too old\n"
    assert send(collector, [], tmp_path, state)["num_rejected"] == 3


def test_secrets_are_in_the_headers_only(collector, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20hunter2,x-tenant=lab")
    collector.answers = [(503, {}, b"not with Bearer hunter2"), (401, {}, b"Bearer hunter2?")]
    log_of(tmp_path / "run")

    error, _ = carry(ShippedRun(run_id="run", folder=tmp_path / "run", argument=collector.url))

    assert collector.headers[0]["Authorization"] == "Bearer hunter2"
    assert "got 401 withheld?" in str(error)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [one for one in written if b"hunter2" in one]


def test_fields_that_are_sensitive_are_not_sent(collector, tmp_path):
    send(collector, add_secrets(make_every_event()), tmp_path / "all")
    assert any(SECRET.encode() in body for _, body in collector.bodies)
    collector.bodies.clear()
    send(collector, Selection(ShipConfig()).select(add_secrets(make_every_event())), tmp_path)

    assert len(collector.bodies) == 3
    assert not any(SECRET.encode() in body for _, body in collector.bodies)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://me:hunter2@host:4318", "must have no user, password or query"),
        ("http://host:4318/?key=hunter2", "must have no user, password or query"),
        ("host:4318", "must be such as http://localhost:4318, got host:4318"),
        ("http://host:99999", "must be such as http://localhost:4318"),
    ],
)
def test_an_address_without_secrets_is_asked_for(address, message, tmp_path):
    with pytest.raises(UsageError, match=message) as caught:
        OtlpSink().open(ShippedRun(run_id="run", folder=tmp_path, argument=address), None)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("HEADERS", "hunter2"), ("HEADERS", "a=hunter2%0d%0ab"), ("HEADERS", "a=hunter2%E2%82%AC"), ("TIMEOUT", "soon"), ("CERTIFICATE", "/gone")],
)  # fmt: skip
def test_a_variable_that_cannot_be_used_is_named(name, value, tmp_path, monkeypatch):
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)

    with pytest.raises(UsageError, match=f"OTEL_EXPORTER_OTLP_{name} must be") as caught:
        OtlpSink().open(ShippedRun(run_id="run", folder=tmp_path), None)
    assert "hunter2" not in str(caught.value)


def test_a_signal_can_be_turned_off_and_messages_compressed(collector, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    send(collector, whole_run(), tmp_path)

    assert {path for path, _ in collector.bodies} == {"/v1/logs", "/v1/traces"}
    assert {headers["Content-Encoding"] for headers in collector.headers} == {"gzip"}


def test_a_secret_in_the_address_reaches_no_file(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    log_of(Path("runs") / "run")

    assert main(["ship", "latest", "--to", "otlp:http://me:hunter2@localhost"]) != 0

    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [one for one in written if b"hunter2" in one]
    shown = capfd.readouterr()
    assert "put secrets into OTEL_EXPORTER_OTLP_HEADERS" in shown.out + shown.err
    assert "hunter2" not in shown.out + shown.err


def test_the_command_sends_a_run_once(collector, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    log_of(Path("runs") / "run")

    assert main(["ship", "latest", "--to", "otlp"]) == 0
    num_requests = len(collector.bodies)
    assert main(["ship", "latest", "--to", "otlp"]) == 0

    assert capfd.readouterr().err == ""
    assert len(collector.spans()) == 11
    assert len(collector.bodies) == num_requests


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(is_true, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not is_true() and time.monotonic() < end:
        time.sleep(0.05)
    return is_true()


@pytest.fixture
def real_collector(collector, tmp_path):
    """Yield the port of a collector in a process of its own, which passes everything on to `collector`."""
    rotel = pytest.importorskip("rotel", reason="no real collector is tested: make test-sinks")
    for _ in range(5):
        port = free_port()
        command = [
            Path(rotel.__file__).with_name("rotel-agent"), "start", "--exporter", "otlp",
            "--otlp-http-endpoint", f"127.0.0.1:{port}",
            "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}",
            "--otlp-exporter-endpoint", collector.url, "--otlp-exporter-protocol", "http",
            "--pid-file", tmp_path / "pid", "--log-file", tmp_path / "log",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # Another program may have taken the port.
            wait_for(lambda port=port, one=process: is_listening(port) or one.poll() is not None)
            if process.poll() is None:
                yield port
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError("the collector must start")


def test_a_real_collector_takes_and_passes_on_everything(collector, real_collector, tmp_path):
    def received():
        return (
            sorted(plain(one.attributes)["log.record.uid"] for one in collector.log_records()),
            sorted(one.span_id for one in collector.spans()),
            sorted(map(str, collector.points())),
        )

    log_of(tmp_path / "run")
    carry(ShippedRun(run_id="run", folder=tmp_path / "run", argument=collector.url))
    sent = received()
    assert all(sent)
    collector.bodies.clear()
    shutil.rmtree(tmp_path / "run" / "ship")
    address = f"http://127.0.0.1:{real_collector}"

    is_done, _ = carry(ShippedRun(run_id="run", folder=tmp_path / "run", argument=address))

    assert is_done
    wait_for(lambda: received() == sent)
    assert received() == sent
