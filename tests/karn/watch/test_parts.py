"""The parts of the live view: health, events, tables and texts."""

import json
import shutil
from dataclasses import replace

import pytest
from rich.console import Console

from esper._generated.enums import RunOutcome
from esper.karn.run import read_story
from esper.karn.watch.cells import fit
from esper.karn.watch.chart import find_marks, make_pages
from esper.karn.watch.details import draw_event, draw_governor_detail, draw_run
from esper.karn.watch.events import EventFilter, EventTail
from esper.karn.watch.governor_panel import draw_governor
from esper.karn.watch.header import draw_header
from esper.karn.watch.health import judge_health
from esper.karn.watch.seed_detail import draw_slot_detail
from esper.karn.watch.slot_table import draw_slot, draw_slot_titles, make_rows
from esper.karn.watch.source import RunSource
from esper.karn.watch.state_json import as_dict
from esper.karn.watch.texts import draw_bar, draw_spark, show_bytes, show_duration
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from tests.karn.example_run import write_example_run
from tests.karn.missing_fields import SOME_FIELDS, write_without
from tests.karn.watch.driving import NOW_NS, rewrite
from tests.nissa.sample_events import emit_clearing, emit_end, emit_epoch, emit_rollback, emit_start


def health_of(folder, emit, *, is_alive=True):
    with Hub("run-1") as hub:
        hub.attach(RunLog(folder))
        emit(hub.channel(env_id=0))
    story = read_story(folder)
    story = replace(story, progress=replace(story.progress, is_alive=is_alive))
    return judge_health(story, None, story.progress.last_event_ns + 90_000_000_000)


def test_a_run_without_alarms_is_healthy(tmp_path):
    health = health_of(tmp_path, emit_start)

    assert (health.word, health.reason, health.tone) == (
        "healthy",
        "no alarms; last event 1 min 30 s ago",
        "good",
    )


def test_a_rollback_is_the_news_until_some_epochs_later(tmp_path):
    def emit(channel, *, num_epochs):
        emit_start(channel)
        channel.advance(epoch=3)
        emit_rollback(channel)
        for epoch in range(3, 3 + num_epochs):
            channel.advance(epoch=epoch)
            emit_epoch(channel)

    recent = health_of(tmp_path / "a", lambda channel: emit(channel, num_epochs=2))
    later = health_of(tmp_path / "b", lambda channel: emit(channel, num_epochs=6))

    assert (recent.word, recent.reason) == (
        "rolled back",
        "epoch 3: NAN, back to step 5; last event 1 min 30 s ago",
    )
    assert (later.word, later.reason) == (
        "healthy",
        "1 rollback, the last alarm in epoch 3; last event 1 min 30 s ago",
    )


def test_a_cleared_suspicion_is_none(tmp_path):
    health = health_of(tmp_path, lambda channel: (emit_start(channel), emit_clearing(channel)))

    assert health.word == "healthy"


def test_a_run_without_a_process_has_died(tmp_path):
    health = health_of(tmp_path, emit_start, is_alive=False)

    assert health.word == "died"
    assert health.reason == "no process, last event 1 min 30 s ago; go on: esper train --resume RUN"


def test_a_run_of_which_nobody_knows_whether_it_goes_on(tmp_path):
    assert health_of(tmp_path, emit_start, is_alive=None).word == "unknown"


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (RunOutcome.COMPLETED, "finished"),
        (RunOutcome.INTERRUPTED, "interrupted"),
        (RunOutcome.FAILED, "failed"),
        (RunOutcome.STOPPED, "stopped"),
    ],
)
def test_a_run_that_has_ended_says_how(outcome, word, tmp_path):
    health = health_of(
        tmp_path, lambda channel: (emit_start(channel), emit_end(channel, outcome=outcome))
    )

    assert health.word == word


def test_the_newest_events_of_each_level_are_kept(tmp_path):
    folder = write_example_run(tmp_path / "run")
    path = next((folder / "log").glob("0-b2-*"))
    lines = path.read_text().splitlines()
    metric = next(json.loads(line) for line in lines if '"METRICS_LOGGED"' in line)
    seq = json.loads(lines[-1])["seq"]
    more = [json.dumps({**metric, "seq": seq + 1 + number}) for number in range(5000)]
    path.write_text("\n".join([*lines, *more, ""]))

    tail = EventTail(folder)
    tail.read()

    assert tail.is_cut
    assert len(tail.rows) < 2000
    warnings = EventFilter(min_level="warning").select(tail.rows)
    assert {"GOVERNOR_ROLLBACK", "GOVERNOR_PANIC"} < {row.event for row in warnings}
    assert tail.rows[-1].seq == seq + 5000


def test_only_the_end_of_a_large_log_is_read_for_its_newest_events(tmp_path, monkeypatch):
    folder = write_example_run(tmp_path / "run")
    monkeypatch.setattr("esper.karn.watch.events._MAX_TAIL_BYTES", 3000)

    tail = EventTail(folder)
    tail.read()

    assert tail.is_cut
    assert 0 < len(tail.rows) < 30


def test_long_values_are_cut(tmp_path):
    def lengthen(line):
        if line["event"] == "METRICS_LOGGED":
            line["payload"]["metrics"] = {f"m{number}" * 50: 1.0 for number in range(500)}
        return line

    folder = write_example_run(tmp_path / "run")
    rewrite(folder, lengthen)
    tail = EventTail(folder)
    tail.read()

    assert max(len(value) for row in tail.rows for _, value in row.values) <= 400


@pytest.mark.parametrize("field", SOME_FIELDS[::2])
def test_the_view_stands_without_a_field(field, tmp_path):
    state = RunSource(write_without(tmp_path / "run", field), now_ns=lambda: NOW_NS).read()
    story = state.story
    slots = make_rows(story)

    for width in (80, 120):
        assert draw_header(state, width)
        assert all(draw_slot(row, width).cell_len == width for row in slots)
        assert all(draw_slot_detail(row, width) for row in slots)
    assert all(map(draw_event, state.events))
    assert draw_governor(story)
    assert draw_governor_detail(story)
    assert draw_run(state)
    assert make_pages(story)
    assert find_marks(story)
    assert json.dumps(as_dict(state))
    assert (state.problem, len(state.events)) == (None, story.num_events)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
        (1e8, "1,157 d 9 h"),
        (float("inf"), "-"),
    ],
)
def test_a_duration_in_its_two_largest_units(seconds, text):
    assert show_duration(seconds) == text


def test_sizes_bars_and_small_curves():
    assert [show_bytes(size) for size in (None, 12, 3000, 2.5e9, 4e13)] == [
        "-",
        "12 B",
        "3 kB",
        "2.5 GB",
        "40 TB",
    ]
    assert [draw_bar(share, 4) for share in (0.0, 0.5, 1.0, 7.0, float("nan"))] == [
        "░░░░",
        "██░░",
        "████",
        "████",
        "    ",
    ]
    assert draw_spark((0.0, None, 1.0, 2.0), 10) == "▁ ▅█"
    assert draw_spark(tuple(map(float, range(100))), 4) == "▁▃▆█"
    assert draw_spark((None,), 4) == draw_spark((), 4) == "-"


@pytest.mark.parametrize("width", range(100))
def test_titles_are_cut_to_each_width(width):
    segments = list(fit(draw_slot_titles(width), width).render(Console()))

    assert sum(segment.cell_length for segment in segments) == width


def test_a_log_that_is_removed_meanwhile_is_named_beside_what_was_read(tmp_path):
    write_example_run(tmp_path / "run")
    source = RunSource(tmp_path / "run")
    before = source.read()
    shutil.rmtree(tmp_path / "run")
    after = source.read()

    assert before.problem is None
    assert after.story.num_events == before.story.num_events
    assert "log: it was removed; this is what was read before" in draw_header(after, 200).plain
