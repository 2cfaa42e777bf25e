"""A log goes back to a checkpoint's place, and what it told since is kept aside."""

import pytest

from esper._generated.lifecycle import emit_seed_pruned
from esper.kasmina.slot import SeedSlot
from esper.leyline.errors import LogError
from esper.nissa.hub import Hub
from esper.nissa.log import LogPosition, RunLog, RunLogConfig
from esper.nissa.reader import read_run
from esper.nissa.rewind import rewind


def tell(hub: Hub, *reasons: str) -> None:
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
        tell(hub, *before)
        position = log.position
        tell(hub, *after)
    return position


def told(folder) -> list[str]:
    return [payload.reason for _, payload in read_run(folder)]


def superseded(folder) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((folder / "log" / "superseded").iterdir()))


@pytest.mark.parametrize("segment_bytes", [2**20, 1], ids=["one file", "a file an event"])
def test_nothing_is_told_twice_and_nothing_is_lost(tmp_path, segment_bytes):
    position = write(tmp_path, "abc", "de", segment_bytes=segment_bytes)

    assert rewind(tmp_path, position) == 2

    with Hub("run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(tmp_path))
        tell(hub, "D", "E", "F")
    records = read_run(tmp_path)
    assert [payload.reason for _, payload in records] == ["a", "b", "c", "D", "E", "F"]
    assert records.gaps == []
    assert superseded(tmp_path).count(b"\n") == 2


def test_rewinding_again_changes_nothing(tmp_path):
    position = write(tmp_path, "abc", "de")
    rewind(tmp_path, position)

    assert rewind(tmp_path, position) == 0
    assert told(tmp_path) == ["a", "b", "c"]


def test_a_torn_line_is_set_aside_too(tmp_path):
    position = write(tmp_path, "abc", "")
    (path,) = (tmp_path / "log").glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"seq": 3, "t_wa')

    assert rewind(tmp_path, position) == 0

    assert superseded(tmp_path) == b'{"seq": 3, "t_wa'
    assert told(tmp_path) == ["a", "b", "c"]


def test_without_a_checkpoint_everything_is_superseded(tmp_path):
    write(tmp_path, "abc", "")

    assert rewind(tmp_path, None) == 3
    assert told(tmp_path) == []


def test_each_resumption_keeps_its_own(tmp_path):
    position = write(tmp_path, "a", "b")
    rewind(tmp_path, position)
    with Hub("run", first_seq=position.next_seq) as hub:
        hub.attach(RunLog(tmp_path))
        tell(hub, "B")

    assert rewind(tmp_path, position) == 1
    assert superseded(tmp_path).count(b"\n") == 2


def test_a_log_that_is_shorter_than_its_checkpoint_is_refused(tmp_path):
    position = write(tmp_path, "abc", "")
    (path,) = (tmp_path / "log").glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(LogError, match=r"must reach to byte \d+ of .* got a shorter one"):
        rewind(tmp_path, position)
