"""The monitor reports on the machine and on the hub, and stops before the end of the run is reported."""

import gc
import threading
import weakref

import pytest

import esper
from esper._generated.system import SystemSampledPayload
from esper._generated.telemetry import HubStatsPayload
from esper.nissa import monitor as monitor_module
from esper.nissa.hub import Hub
from esper.nissa.hub_counts import count_events
from esper.nissa.log import RunLog
from esper.nissa.monitor import Monitor, check_interval
from esper.nissa.sinks.memory import MemorySink
from esper.nissa.system_sampler import SystemReading

READING = SystemReading(
    cpu_utilization=50.0,
    process_cpus=0.5,
    process_memory_bytes=1,
    num_process_threads=2,
    memory_used_bytes=3,
    memory_total_bytes=4,
    disk_free_bytes=None,
    disk_total_bytes=None,
    gpus=(),
)


class FakeSampler:
    """Counts its readings; `is_enough` is set at the fourth, and the second one fails."""

    is_enough = threading.Event()
    num_readings = 0
    is_made = False

    def __init__(self, folder):
        """Begin to count again."""
        type(self).num_readings = 0
        type(self).is_made = True
        self.is_enough.clear()

    def read(self):
        """Return the reading, or raise."""
        type(self).num_readings += 1
        if self.num_readings == 4:
            self.is_enough.set()
        if self.num_readings == 2:
            raise OSError("hidden")
        return READING


@pytest.fixture
def sampler(monkeypatch):
    monkeypatch.setattr(monitor_module, "SystemSampler", FakeSampler)
    monkeypatch.setattr(monitor_module, "can_sample", lambda: True)
    monkeypatch.setattr(FakeSampler, "is_made", False)
    return FakeSampler


def test_samples_are_in_the_log_with_the_epoch_and_nothing_follows_the_end(tmp_path, sampler):
    with esper.start_run(tmp_path, "run", system_interval_s=0.001) as run:
        run.epoch()
        assert sampler.is_enough.wait(60)

    events = list(esper.read_run(run.folder))
    samples = [envelope for envelope, one in events if isinstance(one, SystemSampledPayload)]
    assert len(samples) >= 2
    assert samples[-1].epoch == 2
    assert [envelope.event for envelope, _ in events[-2:]] == ["HUB_STATS", "RUN_FINISHED"]


def test_the_hub_is_reported_while_the_run_goes_on(tmp_path, sampler, monkeypatch):
    monkeypatch.setattr(monitor_module, "HUB_INTERVAL_S", 0.001)
    with esper.start_run(tmp_path, "run", system_interval_s=0.001):
        assert sampler.is_enough.wait(60)

    reports = [
        one for _, one in esper.read_run(tmp_path / "run") if isinstance(one, HubStatsPayload)
    ]
    assert len(reports) >= 2
    assert reports[-1].num_bytes > reports[0].num_bytes > 0
    assert [one.sink for one in reports[-1].sinks] == ["VerdictSink"]


def test_the_hub_is_reported_also_between_rare_samples(tmp_path, sampler, monkeypatch):
    monkeypatch.setattr(monitor_module, "HUB_INTERVAL_S", 0.001)
    is_reported = threading.Event()

    def count(hub, log):
        is_reported.set()
        return count_events(hub, log)

    monkeypatch.setattr(monitor_module, "count_events", count)
    with esper.start_run(tmp_path, "run", system_interval_s=86400):
        assert is_reported.wait(60)

    assert sampler.num_readings == 0


def test_no_sample_is_taken_where_the_interval_is_zero(tmp_path, sampler):
    with esper.start_run(tmp_path, "run", system_interval_s=0):
        pass

    assert not sampler.is_made


@pytest.mark.parametrize("interval", [-1, float("nan"), float("inf"), "5", True])
def test_an_interval_that_cannot_be_used_is_refused(interval):
    with pytest.raises(esper.UsageError, match="`system_interval_s` must be"):
        check_interval(interval)


def test_without_psutil_an_explicit_interval_is_warned_about(monkeypatch, capfd):
    monkeypatch.setattr(monitor_module, "can_sample", lambda: False)

    assert check_interval(None) == 0
    assert capfd.readouterr().err == ""
    assert check_interval(5) == 0
    assert 'pip install "esper-grow[system]"' in capfd.readouterr().err


def test_the_monitor_keeps_no_hub_alive(tmp_path):
    hub = Hub("run")
    monitor = Monitor(hub, hub.attach(RunLog(tmp_path)), hub.channel(), interval_s=0)
    thread, is_alive = monitor._thread, weakref.ref(hub)

    del hub, monitor
    gc.collect()

    thread.join(60)
    assert is_alive() is None
    assert not thread.is_alive()


def test_counts_say_what_waits_and_what_is_lost(tmp_path, monkeypatch):
    with Hub("run") as hub:
        log = hub.attach(RunLog(tmp_path))
        hub.attach(MemorySink())
        hub.attach(MemorySink())
        hub.channel().reject("ANY", ValueError())
        monkeypatch.setattr(log._writer, "append", _full_disk)
        hub.channel().reject("ANY", ValueError())
        report = count_events(hub, log)
        monkeypatch.undo()

    assert (report.num_accepted, report.num_rejected) == (2, 2)
    assert (report.num_written, report.num_waiting, report.num_lost) == (1, 1, 0)
    assert report.num_bytes > 0
    assert report.lag_s > 0
    assert [one.sink for one in report.sinks] == ["MemorySink", "MemorySink 2"]
    assert [one.num_written for one in report.sinks] == [2, 2]


def _full_disk(seq, line):
    raise OSError(28, "No space left on device")


def test_the_machine_is_read(tmp_path):
    pytest.importorskip("psutil")
    from esper.nissa.system_sampler import SystemSampler

    sampler = SystemSampler(tmp_path)
    reading = sampler.read()

    assert 0 < reading.process_memory_bytes < reading.memory_total_bytes
    assert 0 < reading.memory_used_bytes <= reading.memory_total_bytes
    assert reading.disk_free_bytes is not None
    assert reading.num_process_threads >= 1
    tmp_path.rmdir()
    assert sampler.read().disk_free_bytes is None
