"""The run log under a killed process and a disk without room, in processes of their own."""

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
from tests.nissa.teller import tell_germination

def allow(num_bytes):
    # A file that may not grow beyond this takes a part of a line and then none, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, resource.RLIM_INFINITY))

folder = Path(sys.argv[1])
"""


def start(script, folder):
    command = [sys.executable, "-c", PRELUDE + script, str(folder)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(script, folder):
    """Run a script to its end; return what it printed and what was said on standard error."""
    process = start(script, folder)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out), err.replace(str(folder), "FOLDER").splitlines()


def seqs(records):
    return [envelope.seq for envelope, _ in records]


def test_nothing_is_lost_when_the_process_is_killed(tmp_path):
    script = """
with Hub("run") as hub:
    hub.attach(RunLog(folder))
    channel = hub.channel(env_id=0)
    while True:
        tell_germination(channel)
        print(hub.next_seq, flush=True)
"""
    with start(script, tmp_path) as process:
        told = [int(process.stdout.readline()) for _ in range(500)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
    records = read_run(tmp_path)

    num_told = int(rest[-1]) if rest else told[-1]
    assert num_told <= len(seqs(records)) <= num_told + 1
    assert records.torn == records.gaps == []


def test_events_wait_for_a_full_disk_and_are_written_when_there_is_room(tmp_path):
    script = """
with Hub("run") as hub:
    log = hub.attach(RunLog(folder))
    channel = hub.channel(env_id=0)
    allow(1000)
    for _ in range(20):
        tell_germination(channel)
    waiting, synced = log.num_waiting, log.sync()
    allow(resource.RLIM_INFINITY)
    tell_germination(channel)
    print(json.dumps([waiting, synced, log.num_waiting, log.sync(), log.num_lost]))
"""
    (waiting, was_synced, still_waiting, is_synced, lost), said = run(script, tmp_path)

    assert 10 < waiting < 20
    assert (was_synced, still_waiting, is_synced, lost) == (False, 0, True, 0)
    assert seqs(read_run(tmp_path)) == list(range(21))
    assert said == [
        "telemetry: the run log in FOLDER/log cannot be written ([Errno 27] File too large);"
        " events wait in memory",
        "telemetry: the run log in FOLDER/log is written again; 0 events are lost",
    ]


def test_events_that_nobody_can_hold_are_counted(tmp_path):
    script = """
with Hub("run") as hub:
    log = hub.attach(RunLog(folder, config=RunLogConfig(max_waiting_bytes=2000)))
    channel = hub.channel(env_id=0)
    allow(1000)
    for _ in range(20):
        tell_germination(channel)
    waiting, lost = log.num_waiting, log.num_lost
    allow(resource.RLIM_INFINITY)
    tell_germination(channel)
    print(json.dumps([waiting, lost, log.num_lost]))
"""
    (waiting, lost, lost_in_the_end), said = run(script, tmp_path)
    records = read_run(tmp_path)

    assert waiting > 0
    assert lost == lost_in_the_end > 0
    assert len(seqs(records)) == 21 - lost
    (gap,) = records.gaps
    assert gap.got_seq - gap.expected_seq == lost
    assert [line.split("FOLDER/log ")[1] for line in said] == [
        "cannot be written ([Errno 27] File too large); events wait in memory",
        "has no memory left to wait in; events are lost from now on",
        f"is written again; {lost} events are lost",
    ]


def test_a_disk_that_stays_full_ends_in_a_torn_line_and_a_word(tmp_path):
    script = """
with Hub("run") as hub:
    log = hub.attach(RunLog(folder))
    allow(1000)
    for _ in range(20):
        tell_germination(hub.channel(env_id=0))
print(json.dumps(log.num_lost))
"""
    lost, said = run(script, tmp_path)
    records = read_run(tmp_path)

    assert seqs(records) == list(range(20 - lost))
    assert len(records.torn) == 1
    assert said[-1] == (
        f"telemetry: the run log in FOLDER/log ends without the {lost} events it has lost"
    )


def test_a_disk_that_is_full_from_the_start_hurts_no_training(tmp_path):
    script = """
import os
with Hub("run") as hub:
    log = hub.attach(RunLog(folder))
    os.rmdir(folder / "log")
    tell_germination(hub.channel(env_id=0))
    waiting = log.num_waiting
    os.mkdir(folder / "log")
    tell_germination(hub.channel(env_id=0))
print(json.dumps(waiting))
"""
    waiting, said = run(script, tmp_path)

    assert waiting == 1
    assert seqs(read_run(tmp_path)) == [0, 1]
    assert len(said) == 2
