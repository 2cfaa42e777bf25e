"""A log is truncated at the position of a checkpoint, and the events after it are moved to another folder."""

import pytest

from esper._generated.lifecycle import emit_seed_pruned
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import LogError
from esper.nissa.hub import Hub
from esper.nissa.log import LogPosition, RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.rewind import rewind


def emit(hub: Hub, *reasons: str) -> None:
    slot = SeedSlot("r0c0", channels=8)
    slot.germinate("norm")
    for reason in reasons:
        emit_seed_pruned(
            hub.channel(env_id=0), slot, reason=reason, initiator="test", auto_pruned=False
        )


def write(folder, before, after, **config) -> LogPosition:
    """Write a log and return its position between `before` and `after`."""
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder, config=RunLogConfig(**config)))
        emit(hub, *before)
        position = log.position
        emit(hub, *after)
    return position


def reasons(folder) -> list[str]:
    return [payload.reason for _, payload in read_run(folder)]


def superseded(folder) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((folder / "log" / "superseded").iterdir()))


@pytest.mark.parametrize("segment_bytes", [2**20, 1], ids=["one file", "a file per event"])
def test_no_event_is_read_twice_and_none_is_lost(tmp_path, segment_bytes):
    position = write(tmp_path, "abc", "de", segment_bytes=segment_bytes)

    assert rewind(tmp_path, position) == 2

    with Hub("run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(tmp_path))
        emit(hub, "D", "E", "F")
    events = read_run(tmp_path)
    assert [payload.reason for _, payload in events] == ["a", "b", "c", "D", "E", "F"]
    assert events.gaps == []
    assert superseded(tmp_path).count(b"\n") == 2


def test_rewinding_again_changes_nothing(tmp_path):
    position = write(tmp_path, "abc", "de")
    rewind(tmp_path, position)

    assert rewind(tmp_path, position) == 0
    assert reasons(tmp_path) == ["a", "b", "c"]


def test_a_torn_line_is_moved_away_too(tmp_path):
    position = write(tmp_path, "abc", "")
    (path,) = (tmp_path / "log").glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"seq": 3, "t_wa')

    assert rewind(tmp_path, position) == 0

    assert superseded(tmp_path) == b'{"seq": 3, "t_wa'
    assert reasons(tmp_path) == ["a", "b", "c"]


def test_without_a_checkpoint_everything_is_superseded(tmp_path):
    write(tmp_path, "abc", "")

    assert rewind(tmp_path, None) == 3
    assert reasons(tmp_path) == []


def test_each_resumption_keeps_its_own_superseded_events(tmp_path):
    position = write(tmp_path, "a", "b")
    rewind(tmp_path, position)
    with Hub("run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(tmp_path))
        emit(hub, "B")

    assert rewind(tmp_path, position) == 1
    assert superseded(tmp_path).count(b"\n") == 2


def test_a_log_that_ends_before_the_checkpoint_is_refused(tmp_path):
    position = write(tmp_path, "abc", "")
    (path,) = (tmp_path / "log").glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(LogError, match=r"must reach to byte \d+ of .* but it is shorter"):
        rewind(tmp_path, position)


def test_a_log_file_that_is_a_device_is_refused(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "0-aa-0000.jsonl").symlink_to("/dev/zero")

    with pytest.raises(LogError, match="a log file must be a regular file"):
        rewind(tmp_path, None)
