"""A rank of a run has one writer at a time; other processes of the run join it with ranks of their own."""

import fcntl
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from esper.leyline.errors import LogError, UsageError
from esper.nissa.hub import Hub
from esper.nissa.hub_config import HubConfig
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.rewind import rewind
from esper.nissa.run_lock import lock_run
from esper.nissa.sinks.memory import MemorySink
from tests.nissa.sample_events import emit_germination

ROOT = Path(__file__).parents[2]


def write(folder, number=3, **options):
    """Write a log of `number` events and return the position after them."""
    first_seq = options.pop("first_seq", 0)
    with Hub(options.pop("run_id", "run"), first_seq=first_seq) as hub:
        log = hub.attach(RunLog(folder, **options))
        for _ in range(number):
            emit_germination(hub.channel())
        return log.position


def seqs(folder):
    return [envelope.seq for envelope, _ in read_run(folder)]


def test_a_second_log_is_refused_while_the_first_is_open(tmp_path):
    with Hub("run") as first, Hub("run") as second:
        first.attach(RunLog(tmp_path))

        with pytest.raises(
            LogError, match=r"one writer at a time, got .*, whose rank 0 this process writes; wait"
        ):
            second.attach(RunLog(tmp_path))
        second.attach(MemorySink())
        assert [stats.name for stats in second.stats.sinks] == ["MemorySink"]


def test_a_log_in_another_process_is_refused_until_the_first_has_ended_however_it_ends(tmp_path):
    script = (
        "import sys; from esper import Hub, RunLog; from pathlib import Path; hub = Hub('run');"
        "hub.attach(RunLog(Path(sys.argv[1]))); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(
            LogError, match=f"rank 0 process {process.pid} on .* writes; wait until"
        ):
            write(tmp_path)
        with (
            pytest.raises(UsageError, match="trained by one process at a time"),
            lock_run(tmp_path),
        ):
            pass
        process.kill()
        process.wait()

    write(tmp_path, 3)
    assert seqs(tmp_path) == [0, 1, 2]


def test_a_new_hub_is_refused_where_there_are_events(tmp_path):
    write(tmp_path)

    with pytest.raises(
        LogError, match=r"must have a folder without events, got .* 3 events; choose"
    ):
        write(tmp_path)
    assert seqs(tmp_path) == [0, 1, 2]


def test_a_log_that_appends_continues_the_numbers(tmp_path):
    write(tmp_path, 3, config=RunLogConfig(segment_bytes=1))
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        hub.attach(RunLog(tmp_path, append=True))
        emit_germination(hub.channel())
        assert hub.stats.num_sent == 1
    events = read_run(tmp_path)

    assert [envelope.seq for envelope, _ in events] == [0, 1, 2, 3]
    assert (events.gaps, events.num_superseded) == ([], 0)
    assert [envelope.seq for envelope, _ in memory.events] == [3]


def test_appending_starts_after_the_last_whole_line_and_in_an_empty_folder(tmp_path):
    position = write(tmp_path, 2, append=True)
    with (tmp_path / "log" / position.segment).open("ab") as file:
        file.write(b'not json\n{"seq":2,"t_w' + b"x" * 200_000)

    write(tmp_path, 1, append=True)

    last = max((tmp_path / "log").iterdir(), key=lambda path: path.stem[-4:])
    assert last.read_bytes().startswith(b'{"seq":2,')


def test_a_log_appends_to_its_own_run_before_the_first_event(tmp_path):
    write(tmp_path)

    with pytest.raises(LogError, match=r"a new hub of the run run, got one of other with 0 events"):
        write(tmp_path, run_id="other", append=True)
    with Hub("run") as hub:
        hub.attach(MemorySink())
        emit_germination(hub.channel())
        with pytest.raises(LogError, match="got one of run with 1 event; attach it first"):
            hub.attach(RunLog(tmp_path, append=True))


def test_a_log_that_was_detached_can_be_followed_by_another_of_the_same_hub(tmp_path):
    with Hub("run") as hub:
        log = hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel())
        hub.detach(log)
        hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel())

    assert seqs(tmp_path) == [0, 1]


def test_a_log_is_not_rewound_while_it_is_written(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        with pytest.raises(
            LogError, match=r"must have ended before its log is rewound, got .*this"
        ):
            rewind(tmp_path, None)
    assert rewind(tmp_path, None) == 0


def test_training_and_log_share_the_lock_of_a_process(tmp_path):
    with lock_run(tmp_path):
        write(tmp_path)
        with (
            pytest.raises(UsageError, match="trained by one process at a time"),
            lock_run(tmp_path),
        ):
            pass
    with lock_run(tmp_path):
        pass


def test_a_log_that_nothing_refers_to_unlocks_the_run(tmp_path):
    log = RunLog(tmp_path)
    with Hub("run") as hub:
        memory = hub.attach(MemorySink())
        emit_germination(hub.channel())
    log.write(*memory.events[0])
    num_open = len(os.listdir("/dev/fd"))

    del log

    assert len(os.listdir("/dev/fd")) == num_open - 2
    write(tmp_path, append=True)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    read_end, write_end = os.pipe()
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        emit_germination(hub.channel())
        child = os.fork()
        if child == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
    write(tmp_path, append=True)
    os.close(write_end)
    os.waitpid(child, 0)
    os.close(read_end)

    assert seqs(tmp_path) == [0, 1, 2, 3]


def work(handle):
    """Emit from a child process."""
    with Hub.join(handle) as hub:
        for _ in range(5):
            emit_germination(hub.channel())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_children_join_the_run_of_a_live_hub(tmp_path, method):
    context = multiprocessing.get_context(method)
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        children = [context.Process(target=work, args=(hub.handle(),)) for _ in range(2)]
        for child in children:
            child.start()
        emit_germination(hub.channel())
        for child in children:
            child.join()
    events = read_run(tmp_path)

    numbers = sorted((envelope.rank, envelope.seq) for envelope, _ in events)
    assert numbers == [(0, 0)] + [(rank, i) for rank in (1_000_000, 1_000_001) for i in range(5)]
    assert events.gaps == []


def test_a_rank_can_be_chosen_to_join(tmp_path):
    config, log_config = HubConfig(queue_size=7), RunLogConfig(segment_bytes=1)
    with Hub("run", config=config) as hub:
        hub.attach(RunLog(tmp_path, config=log_config))
        handle = pickle.loads(pickle.dumps(hub.handle()))
        with Hub.join(handle, rank=1) as joined:
            emit_germination(joined.channel())
            assert joined.handle() == handle
        with pytest.raises(LogError, match="rank 0 this process writes"):
            Hub.join(handle, rank=0)

    assert [envelope.rank for envelope, _ in read_run(tmp_path)] == [1]


def test_what_cannot_be_passed_to_a_process_says_what_can(tmp_path):
    with Hub("run") as hub:
        with pytest.raises(ValueError, match="must have a log before another process can join"):
            hub.handle()
        log = hub.attach(RunLog(tmp_path))
        for one in (hub, log, hub.channel()):
            with pytest.raises(TypeError, match=r"pass hub.handle\(\) to the other one, and call"):
                pickle.dumps(one)


def test_a_file_system_without_locks_is_warned_about(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    write(tmp_path)

    assert seqs(tmp_path) == [0, 1, 2]
    assert capsys.readouterr().err == (
        f"telemetry: {tmp_path}/.lock cannot be locked (Operation not supported); make sure yourself that one process"
        " at a time writes the run\n"
    )


def test_a_lock_that_is_held_for_a_moment_by_a_list_of_runs_keeps_no_writer_out(tmp_path):
    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        release = threading.Timer(0.015, lambda: fcntl.flock(file, fcntl.LOCK_UN))
        release.start()
        write(tmp_path)
        release.join()

    assert seqs(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_a_lock_that_is_not_a_regular_file_is_refused_and_left_alone(tmp_path, kind):
    run, other = tmp_path / "run", tmp_path / "precious"
    run.mkdir()
    if kind == "link":
        other.write_text("precious")
    make = {"pipe": os.mkfifo, "folder": os.mkdir}.get(kind, lambda path: path.symlink_to(other))
    make(run / ".lock")

    with pytest.raises(LogError, match="the run's folder must be writable, got"):
        write(run)
    with pytest.raises(OSError, match="lock"), lock_run(run):
        pass
    assert kind != "link" or other.read_text() == "precious"
    assert kind != "dangling link" or not other.exists()


def test_windows_is_refused_by_name():
    script = "import sys; sys.modules['fcntl'] = None; import esper.nissa.log"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "ImportError: a run must be written on Linux or macOS" in ran.stderr

    script = "import os; from esper.__main__ import main; os.name = 'nt'; raise SystemExit(main())"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert ran.stderr.startswith("esper: the commands need Linux or macOS, got Windows; use WSL")
