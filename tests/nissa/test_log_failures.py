"""The run log of a killed process and on a full disk; each test starts a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from esper.nissa.reader import read_run

ROOT = Path(__file__).parents[2]

PRELUDE = """
import json, resource, sys
from pathlib import Path
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from tests.nissa.sample_events import emit_germination

def allow(num_bytes):
    # A file at this limit takes a part of a line and then no byte more, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, resource.RLIM_INFINITY))

folder = Path(sys.argv[1])
"""


def start(script, folder):
    command = [sys.executable, "-c", PRELUDE + script, str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(script, folder):
    """Run a script to its end; return the JSON that it printed and the lines of standard error."""
    process = start(script, folder)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out), err.replace(str(folder), "FOLDER").splitlines()


def seqs(events):
    return [envelope.seq for envelope, _ in events]


def test_no_event_is_lost_when_the_process_is_killed(tmp_path):
    script = """
with Hub("run") as hub:
    hub.attach(RunLog(folder))
    channel = hub.channel(env_id=0)
    while True:
        emit_germination(channel)
        print(hub.next_seq, flush=True)
"""
    with start(script, tmp_path) as process:
        printed = [int(process.stdout.readline()) for _ in range(500)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
    events = read_run(tmp_path)

    num_printed = int(rest[-1]) if rest else printed[-1]
    assert num_printed <= len(seqs(events)) <= num_printed + 1
    assert events.gaps == []
    # The kernel may end a write at a page boundary when the process is killed; its helper has not returned then.
    assert len(events.torn) <= 1


def test_events_wait_while_the_disk_is_full_and_are_written_afterwards(tmp_path):
    script = """
with Hub("run") as hub:
    log = hub.attach(RunLog(folder))
    channel = hub.channel(env_id=0)
    allow(1000)
    for _ in range(20):
        emit_germination(channel)
    waiting, synced = log.num_waiting, log.sync()
    allow(resource.RLIM_INFINITY)
    emit_germination(channel)
    print(json.dumps([waiting, synced, log.num_waiting, log.sync(), log.num_lost]))
"""
    (waiting, was_synced, still_waiting, is_synced, lost), warnings = run(script, tmp_path)

    assert 10 < waiting < 20
    assert (was_synced, still_waiting, is_synced, lost) == (False, 0, True, 0)
    assert seqs(read_run(tmp_path)) == list(range(21))
    assert warnings == [
        "telemetry: the run log in FOLDER/log cannot be written ([Errno 27] File too large);"
        " events wait in memory",
        "telemetry: the run log in FOLDER/log is written again; 0 events lost",
    ]


def test_events_for_which_memory_is_full_too_are_lost_and_counted(tmp_path):
    script = """
with Hub("run") as hub:
    log = hub.attach(RunLog(folder, config=RunLogConfig(max_waiting_bytes=2000)))
    channel = hub.channel(env_id=0)
    allow(1000)
    for _ in range(20):
        emit_germination(channel)
    waiting, lost = log.num_waiting, log.num_lost
    allow(resource.RLIM_INFINITY)
    emit_germination(channel)
    print(json.dumps([waiting, lost, log.num_lost]))
"""
    (waiting, lost, lost_in_the_end), warnings = run(script, tmp_path)
    events = read_run(tmp_path)

    assert waiting > 0
    assert lost == lost_in_the_end > 0
    assert len(seqs(events)) == 21 - lost
    (gap,) = events.gaps
    assert gap.got_seq - gap.expected_seq == lost
    assert [line.split("FOLDER/log ")[1] for line in warnings] == [
        "cannot be written ([Errno 27] File too large); events wait in memory",
        "has no memory left for waiting events; further events are lost",
        f"is written again; {lost} events lost",
    ]


def test_a_disk_that_stays_full_leaves_a_torn_line_and_a_warning(tmp_path):
    script = """
with Hub("run") as hub:
    log = hub.attach(RunLog(folder))
    allow(1000)
    for _ in range(20):
        emit_germination(hub.channel(env_id=0))
print(json.dumps(log.num_lost))
"""
    lost, warnings = run(script, tmp_path)
    events = read_run(tmp_path)

    assert seqs(events) == list(range(20 - lost))
    assert len(events.torn) == 1
    assert warnings[-1] == (f"telemetry: the run log in FOLDER/log is closed; {lost} events lost")


def test_events_wait_if_the_first_file_cannot_be_opened(tmp_path):
    script = """
import os
with Hub("run") as hub:
    log = hub.attach(RunLog(folder))
    os.rmdir(folder / "log")
    (folder / "log").touch()
    emit_germination(hub.channel(env_id=0))
    waiting = log.num_waiting
    (folder / "log").unlink()
    emit_germination(hub.channel(env_id=0))
print(json.dumps(waiting))
"""
    waiting, warnings = run(script, tmp_path)

    assert waiting == 1
    assert seqs(read_run(tmp_path)) == [0, 1]
    assert [line.partition(" ([")[0] for line in warnings] == [
        "telemetry: the run log in FOLDER/log cannot be written",
        "telemetry: the run log in FOLDER/log was removed, renamed or replaced; it has been made again at that path; 0 events"
        " lost",
        "telemetry: the run log in FOLDER/log is written again; 0 events lost",
    ]
