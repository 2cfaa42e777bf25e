"""The linter finds every flaw of a log, and rejects what the reader rejects."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._generated.checks import ContractError
from esper._generated.codec import decode_line
from esper._generated.registry import DEPRECATED, RETIRED
from esper.leyline.errors import RunNotFoundError
from esper.nissa.hub import Hub
from esper.nissa.line_lint import lint_line
from esper.nissa.lint import LogLint
from esper.nissa.log import RunLog, RunLogConfig
from tests.nissa.sample_events import (
    emit_germination,
    emit_whole_run,
    move_log,
)


def write_log(folder, number=3, *, first_seq=0, segment_bytes=10**9):
    """Write a log of germinations and return its newest file."""
    with Hub("run", first_seq=first_seq) as hub:
        log = hub.attach(RunLog(folder, config=RunLogConfig(segment_bytes=segment_bytes)))
        for _ in range(number):
            emit_germination(hub.channel(env_id=0))
        return folder / "log" / log.position.segment


def line_of(tmp_path, event):
    """Return the line of `event` from a whole run, as parsed JSON."""
    with Hub("run") as hub:
        log = hub.attach(RunLog(tmp_path))
        emit_whole_run(hub.channel(env_id=0, strict=True))
        lines = (tmp_path / "log" / log.position.segment).read_bytes().splitlines()
    return next(line for line in map(json.loads, lines) if line["event"] == event)


def found(line):
    """Return kind and subject of each violation of a line."""
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    return [(violation.kind, violation.subject) for violation in lint_line(data)[1]]


def flaws(folder):
    return [(flaw.violation.kind, flaw.line, flaw.violation.message) for flaw in LogLint(folder)]


def test_a_valid_log_has_no_flaws(tmp_path):
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path))
        emit_whole_run(hub.channel(env_id=0, strict=True))
        num_events = hub.stats.num_sent

    lint = LogLint(tmp_path)

    assert list(lint) == []
    assert lint.num_lines == num_events > 5


@pytest.fixture
def epoch(tmp_path):
    """Return a line of EPOCH_COMPLETED with one seed."""
    line = line_of(tmp_path, "EPOCH_COMPLETED")
    seed = {"slot_id": "r0c0", "stage": "TRAINING", "alpha": 0.5, "epochs_in_stage": 2}
    measured = {"blueprint_id": "norm", "num_params": 8, "grad_ratio": 0.1, "contribution": None}
    line["payload"]["seeds"] = [seed | measured]
    return line


@pytest.mark.parametrize(
    ("key", "value", "kind", "message"),
    [
        ("train_loss", "low", "mistyped", "must be a float, got 'low' (str)"),
        ("train_loss", None, "mistyped", "must be a float, got None (NoneType)"),
        ("num_params", 1.5, "mistyped", "must be an int, got 1.5 (float)"),
        ("num_params", True, "mistyped", "must be an int, got True (bool)"),
        ("num_params", -1, "out_of_range", "must be in [0, 9223372036854775807], got -1"),
        ("val_accuracy", 100.5, "out_of_range", "must be in [0, 100], got 100.5"),
        ("severity", 3, "mistyped", "must be the name of a Severity, got 3"),
        (
            "severity",
            "AWFUL",
            "unknown",
            "must be one of OK, SKIP, PANIC, ROLLBACK, STOP, got 'AWFUL'",
        ),
        ("seeds", {}, "mistyped", "must be a tuple, got {} (dict)"),
        ("speed", 1, "unknown", "must be a field of the contract, got 'speed'"),
    ],
)
def test_a_field_that_breaks_the_contract(epoch, key, value, kind, message):
    epoch["payload"][key] = value

    ((violation),) = lint_line(json.dumps(epoch).encode())[1]

    assert (violation.kind, violation.event, violation.field) == (kind, "EPOCH_COMPLETED", key)
    assert violation.message == message


def test_every_violation_of_a_line_is_found(epoch):
    del epoch["t_wall_ns"]
    epoch["rank"] = -1
    del epoch["payload"]["val_loss"]
    epoch["payload"]["seeds"][0] |= {"alpha": 2, "stage": "SHADOWING", "colour": "red"}

    assert found(epoch) == [
        ("missing", "t_wall_ns"),
        ("out_of_range", "rank"),
        ("missing", "EPOCH_COMPLETED.val_loss"),
        ("retired", "EPOCH_COMPLETED.seeds[0].stage"),
        ("out_of_range", "EPOCH_COMPLETED.seeds[0].alpha"),
        ("unknown", "EPOCH_COMPLETED.seeds[0].colour"),
    ]


def test_lengths_and_patterns_count_as_bounds(tmp_path):
    line = line_of(tmp_path, "GOVERNOR_SNAPSHOT")
    line["payload"] |= {"checksum": "x"}
    line["boot"] = "b" * 65

    assert found(line) == [("out_of_range", "boot"), ("out_of_range", "GOVERNOR_SNAPSHOT.checksum")]


def test_retired_and_unknown_events(epoch, monkeypatch):
    monkeypatch.setitem(RETIRED, "BATCH_COMPLETED", "Use EPOCH_COMPLETED.")

    assert found(epoch | {"event": "BATCH_COMPLETED"}) == [("retired", "BATCH_COMPLETED")]
    assert found(epoch | {"event": "BATHC"}) == [("unknown", "BATHC")]


def test_deprecated_names_are_found_where_they_are_used(epoch, monkeypatch):
    why = "Use another."
    monkeypatch.setitem(DEPRECATED, "EPOCH_COMPLETED", why)
    monkeypatch.setitem(DEPRECATED, "EPOCH_COMPLETED.duration_s", why)
    monkeypatch.setitem(DEPRECATED, "SeedStage.TRAINING", why)
    # Null means that the field is not used.
    monkeypatch.setitem(DEPRECATED, "SeedStatus.contribution", why)

    assert found(epoch) == [
        ("deprecated", "EPOCH_COMPLETED"),
        ("deprecated", "EPOCH_COMPLETED.seeds[0].stage"),
        ("deprecated", "EPOCH_COMPLETED.duration_s"),
    ]
    message = lint_line(json.dumps(epoch).encode())[1][0].message
    assert message == "should no longer be used: Use another."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "a line must be one JSON object, got Expecting value"),
        (b"[1]", "a line must be one JSON object, got [1]"),
        (b'{"seq": NaN}', "a line must be one JSON object, got a bare NaN"),
        (b'{"seq": "\xff"}', "a line must be one JSON object, got 'utf-8' codec"),
        (b"[" * 100_000, "a line must be one JSON object, got maximum recursion depth"),
    ],
)
def test_a_line_that_is_not_a_json_object(line, message):
    header, (violation,), _ = lint_line(line)

    assert header is None
    assert violation.kind == "not_json"
    assert violation.message.startswith(message)


def test_a_repeated_key(epoch):
    line = json.dumps(epoch).replace('"num_params": ', '"num_params": 1, "num_params": ', 1)

    assert found(line.encode()) == [("repeated", "num_params")]


def test_a_line_of_a_newer_contract_is_not_validated_further(epoch):
    epoch["payload"] = {"all": "new"}

    assert found(epoch | {"v": "2.0.0"}) == [("newer", "v")]


def test_names_of_a_later_minor_version_are_not_flaws(epoch):
    epoch |= {"v": "1.99.0", "shard": 1}
    epoch["payload"] |= {"mood": "good", "severity": "AWFUL"}

    _, violations, unknown = lint_line(json.dumps(epoch).encode())

    assert violations == []
    assert {tuple(name) for name in unknown} == {
        ("field", "line.shard"),
        ("field", "EPOCH_COMPLETED.mood"),
        ("member", "Severity.AWFUL"),
    }
    assert found(epoch | {"event": "EPOCH_SKIPPED", "payload": {"any": 1}}) == []
    epoch["payload"] |= {"val_loss": "low", "severity": "OK"}
    assert found(epoch) == [("mistyped", "EPOCH_COMPLETED.val_loss")]


def test_a_line_without_a_payload(epoch):
    del epoch["payload"]

    assert found(epoch) == [("missing", "payload")]
    assert found(epoch | {"payload": 1}) == [("mistyped", "EPOCH_COMPLETED.payload")]


def test_a_line_that_only_the_decoder_rejects_is_invalid(epoch):
    line = b"\xef\xbb\xbf" + json.dumps(epoch).encode()

    assert [kind for kind, _ in found(line)] == ["invalid"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with Hub("run") as hub:
        log = hub.attach(RunLog(folder))
        emit_whole_run(hub.channel(env_id=0, strict=True))
        return (folder / "log" / log.position.segment).read_bytes().splitlines()


@given(data=st.data())
def test_the_linter_rejects_exactly_the_lines_that_the_decoder_rejects(whole_run, data):
    line = json.loads(data.draw(st.sampled_from(whole_run)))
    line["v"] = data.draw(st.sampled_from([line["v"], "1.99.0", "2.0.0"]))
    holder = data.draw(st.sampled_from([line, line["payload"]]))
    holder[data.draw(st.sampled_from(sorted(holder)) | st.text())] = data.draw(JSON)
    written = json.dumps(line).encode()
    try:
        decode_line(written)
        is_refused = False
    except ContractError:
        is_refused = True

    assert bool(lint_line(written)[1]) == is_refused


@given(st.binary())
def test_the_linter_accepts_any_bytes_without_an_exception(data):
    assert lint_line(data)[1]


def test_a_torn_last_line(tmp_path):
    file = write_log(tmp_path)
    file.write_bytes(file.read_bytes()[:-3])

    ((kind, line, message),) = flaws(tmp_path)

    assert (kind, line) == ("torn", 3)
    assert message.startswith("a line must end with a line end, got ")


def test_a_missing_line_is_a_gap_and_an_unreadable_one_is_not(tmp_path):
    file = write_log(tmp_path, 6)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], b"rubbish\n", lines[2], lines[4], lines[5], lines[5]]))

    assert [(kind, line) for kind, line, _ in flaws(tmp_path)] == [
        ("not_json", 2),
        ("gap", 4),
        ("gap", 6),
    ]
    messages = [message for _, _, message in flaws(tmp_path)]
    assert messages[1] == "must be 3, got 4: events are missing"
    assert messages[2] == "must be 6, got 5: the number has been used"


def test_numbers_continue_over_files_and_in_a_resumed_run(tmp_path):
    write_log(tmp_path, 10, segment_bytes=900)
    write_log(tmp_path, 4, first_seq=5)

    assert flaws(tmp_path) == []


def test_writers_of_one_rank_at_the_same_time_are_named(tmp_path):
    with Hub("run") as first, Hub("run") as second:
        first.attach(RunLog(tmp_path))
        second.attach(RunLog(tmp_path / "second"))
        for hub in (first, second, first):
            emit_germination(hub.channel(env_id=0))
    move_log(tmp_path / "second", tmp_path)

    ((kind, line, message),) = flaws(tmp_path)

    assert (kind, line) == ("overlap", 0)
    assert "rank 0 must have one writer at a time, but 0-" in message


def test_writers_of_one_rank_one_after_the_other_are_valid(tmp_path):
    write_log(tmp_path, 3)
    write_log(tmp_path / "second", 5)
    move_log(tmp_path / "second", tmp_path)

    assert flaws(tmp_path) == []


def test_lines_and_files_of_another_log(tmp_path):
    file = write_log(tmp_path, 2)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b'"run":"run"', b'"run":"walk"'))
    (tmp_path / "log" / "notes.jsonl").write_text("")

    first, second = LogLint(tmp_path)

    assert (first.violation.kind, first.place) == ("foreign", f"{tmp_path}/log/notes.jsonl")
    assert "a log file must be named RANK-BOOT-SEGMENT.jsonl" in first.violation.message
    assert (second.violation.kind, second.place) == ("foreign", f"{file}:2")
    assert "run, rank and boot must be ('run', 0, " in second.violation.message


def test_a_folder_without_a_log(tmp_path):
    with pytest.raises(
        RunNotFoundError, match=r"a run must have a folder named log, but .* has no such folder"
    ):
        LogLint(tmp_path)
