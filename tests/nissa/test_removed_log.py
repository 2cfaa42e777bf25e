"""A log whose folder is removed, renamed or replaced while it is written is made again, without a gap."""

import shutil

import pytest

from esper.nissa.hub import Hub
from esper.nissa.log import RunLog, RunLogConfig
from esper.nissa.reader import read_run
from tests.nissa.sample_events import emit_germination

AT_ONCE = RunLogConfig(check_interval_s=0)


def emit(hub, number=1):
    for _ in range(number):
        emit_germination(hub.channel())


def assert_whole(folder, number):
    events = read_run(folder)
    assert [envelope.seq for envelope, _ in events] == list(range(number))
    assert (events.gaps, events.torn) == ([], [])


def warning(folder, lost="0 events"):
    return (
        f"telemetry: the run log in {folder}/log was removed, renamed or replaced; it has been made again at that path;"
        f" {lost} lost\n"
    )


@pytest.mark.parametrize("config", [AT_ONCE, None], ids=["at the next event", "at sync"])
def test_a_removed_folder_is_made_again_with_all_events(tmp_path, capsys, config):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder, config=config))
        emit(hub, 3)
        position = log.position
        shutil.rmtree(folder)
        emit(hub, 3)
        assert log.sync()
        assert_whole(folder, 6)
        assert log.position.segment == position.segment
        assert log.num_lost == 0
        emit(hub)

    assert_whole(folder, 7)
    assert capsys.readouterr().err == warning(folder)


def test_a_renamed_folder_is_made_again(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path / "run", config=AT_ONCE))
        emit(hub, 3)
        (tmp_path / "run").rename(tmp_path / "other")
        emit(hub, 3)

    assert_whole(tmp_path / "run", 6)
    assert_whole(tmp_path / "other", 3)


def test_a_replaced_file_is_continued_after_its_last_event(tmp_path):
    with Hub("run") as hub:
        log = hub.attach(RunLog(tmp_path))
        emit(hub, 3)
        path = tmp_path / "log" / log.position.segment
        copy = tmp_path / "copy"
        shutil.copy(path, copy)
        copy.replace(path)
        emit(hub, 3)
        assert log.sync()
        emit(hub)

    assert len(list((tmp_path / "log").iterdir())) == 2
    assert_whole(tmp_path, 7)


def test_events_of_closed_files_are_counted(tmp_path, capsys):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder, config=RunLogConfig(segment_bytes=1000)))
        emit(hub, 10)
        last = log.position
        shutil.rmtree(folder)
        assert log.sync()
    events = read_run(folder)

    (kept,) = (folder / "log").iterdir()
    assert kept.name == last.segment
    assert log.num_lost == 10 - len(list(events)) > 0
    assert capsys.readouterr().err == warning(folder, f"{log.num_lost} events")


def test_a_folder_that_cannot_be_made_again_is_waited_for(tmp_path, capsys):
    folder = tmp_path / "run"
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder))
        emit(hub, 3)
        shutil.rmtree(folder)
        folder.touch()
        assert not log.sync()
        emit(hub)
        assert log.num_waiting == 1
        folder.unlink()
        emit(hub)
        assert log.sync()
        assert_whole(folder, 5)
        shutil.rmtree(folder)
        folder.touch()

    assert log.num_lost == 5
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"telemetry: the run log in {folder}/log is closed; 5 events lost"
    )


def test_a_change_of_the_current_folder_does_not_move_the_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Hub("run") as hub:
        hub.attach(RunLog("run", config=AT_ONCE))
        emit(hub)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        emit(hub)

    assert_whole(tmp_path / "run", 2)
    assert list((tmp_path / "elsewhere").iterdir()) == []
