"""An error that the user can correct is one line with exit code 2, without a traceback."""

import json

import pytest

from esper.cli import main


def refused(capsys, *arguments: str) -> str:
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND; see esper --help"),
        (["trian"], 'no command "trian"; did you mean train?; see esper --help'),
        (["--verison"], "unknown argument --verison; did you mean --version?; see esper --help"),
        (["--jsno=1"], "esper: unknown argument --jsno=1; see esper --help"),
        (
            ["zzz"],
            'no command "zzz"; there are: train, watch, summary, explain, compare, report, runs, tag, gc, lint-log, tail, ship, export, query, schema, tasks, blueprints, policies, script, completion, help',
        ),
        (["help", "trian"], 'no command "trian"; did you mean train?'),
        (["train", "--epoch", "3"], "unknown argument --epoch; did you mean --epochs?"),
        (["train", "--epochs", "many"], "argument --epochs: invalid int value: 'many'"),
        (["train", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["train", "--seed", "-1"], "--seed must be at least 0, got -1"),
        (["train", "--seed", str(2**63)], f"--seed must be at most {2**63 - 1}, got {2**63}"),
        (["train", "--epochs", str(10**23)], f"--epochs must be at most 2147483647, got {10**23}"),
        (["train", "--epochs", "9" * 5000], "argument --epochs: invalid int value: '9999"),
        (["train", "--keep-checkpoints", str(10**23)], "--keep-checkpoints must be at most 9223"),
        (["train", "--keep-checkpoints", "0"], "--keep-checkpoints must be at least 1, got 0"),
        (["train", "--detector", "mean"], "argument --detector: invalid choice: 'mean'"),
        (["train", "--task", "digit"], 'no task "digit"; there are: digits'),
        (["train", "--device", "abacus"], '--device must be usable here, got "abacus"'),
        (["train", "--device", "cuda:99"], '--device must be usable here, got "cuda:99"'),
        (["train", "--device", "meta"], '--device must be usable here, got "meta"'),
        (["train", "--device", "mkldnn"], '--device must be usable here, got "mkldnn"'),
        (["train", "--device", "hpu"], '--device must be usable here, got "hpu"'),
        (["train", "--device", "\udc80"], r'--device must be usable here, got "\udc80"'),
        (["train", "--run-dir", ""], "a folder must have a name, got an empty one"),
        (["lint-log", "latest", "--salvage", ""], "a folder must have a name, got an empty one"),
        (["train", "--run-dir", "a\0b"], r"a folder's name must not contain the character \0"),
        (["train", "--run-dir", "x" * 5000], "--run-dir must be a folder that can be written"),
        (["summary", "x" * 5000], 'no run "xxxx'),
        (["summary", "a\0b"], r'no run "a\x00b"'),
        (["export", "latest", "--to", "xls"], "argument --to: invalid choice: 'xls'"),
        (["export", "latest"], "the following arguments are required: --to"),
        (["export", "--to", "csv"], "name a run, such as latest, or give --all"),
        (["export", "--all", "a", "--to", "csv"], "name the runs, or give --all, got both"),
        (["export", "x", "--to", "csv", "--out", ""], "a folder must have a name"),
        (["export", "--all", "--to", "csv", "--reveal", "X.y"], 'no sensitive field "X.y"'),
        (["export", "x", "--to", "csv", "--revael", "y"], "did you mean --reveal?"),
        (["gc"], "say which runs: --keep N, --older-than AGE or --larger-than SIZE"),
        (["gc", "--keep", "-1"], 'must be a number of runs from 0, got "-1"'),
        (["gc", "--keep", "some"], 'must be a number of runs from 0, got "some"'),
        (["gc", "--older-than", "30"], "must be a number with one of m, h, d, w, such as 30d"),
        (["gc", "--older-than", "9" * 5000 + "d"], "must be a number with one of m, h, d, w"),
        (["gc", "--larger-than", "1XB"], 'such as 1GB, got "1XB"'),
        (["gc", "--keep", "1"], "the folder of runs must exist, but runs does not exist"),
        (["tag", "x", "a b"], 'no run "x"'),
        (["runs", "--tag", "a b"], "a tag must have 1 to 64 letters"),
        (
            ["train", "--inject-fault", "nan"],
            'a fault must be nan@EPOCH or spike@EPOCH with an epoch from 1, got "nan"; try nan@12',
        ),
        (["train", "--inject-fault", "flood@3"], 'got "flood@3"'),
        (["train", "--inject-fault", "nan@0"], 'got "nan@0"'),
        (["train", "--inject-fault", "nan@" + "9" * 5000], "a fault must be nan@EPOCH"),
        (
            ["train", "--inject-fault", "nan@9", "--epochs", "5"],
            "got nan@9, which is after the last of 5 epochs; try --epochs 9",
        ),
    ],
)
def test_bad_arguments(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)

    assert message in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


HOSTILE = "\x1b[31mred\x07\u202e\u2066\n\x9b"
ESCAPED = r"\x1b[31mred\x07\u202e\u2066\n\x9b"


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        ["help", HOSTILE],
        ["train", "--task", HOSTILE],
        ["train", "--device", HOSTILE],
        ["train", "--inject-fault", HOSTILE],
        ["train", "--" + HOSTILE],
        ["train", "--resume", HOSTILE],
        ["summary", HOSTILE],
        ["summary", "x", "--run-dir", HOSTILE],
        ["lint-log", HOSTILE],
        ["runs", "--run-dir", HOSTILE],
        ["runs", "--tag", HOSTILE],
        ["export", HOSTILE, "--to", "csv"],
        ["export", "--all", "--to", "csv", "--reveal", HOSTILE],
        ["tag", HOSTILE, "x"],
        ["gc", "--older-than", HOSTILE],
        ["gc", "--keep", "1", "--run-dir", HOSTILE],
    ],
)
def test_control_characters_of_arguments_are_escaped(capsys, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)

    message = refused(capsys, *arguments)

    assert message[:-1].isprintable()
    assert ESCAPED in message


def test_control_characters_of_settings_are_escaped(capsys, tmp_path):
    (tmp_path / "run" / "log").mkdir(parents=True)
    (tmp_path / "run" / "settings.json").write_text(json.dumps({"task": HOSTILE}))

    message = refused(capsys, "train", "--resume", "run", "--run-dir", str(tmp_path))

    assert message[:-1].isprintable()
    assert f'no task "{ESCAPED}"' in message


def test_a_run_that_is_not_there(capsys, tmp_path):
    message = refused(capsys, "summary", "nowhere", "--run-dir", str(tmp_path))

    assert 'no run "nowhere"' in message


def test_a_folder_that_is_not_a_run(capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    assert "run" in refused(capsys, "summary", str(tmp_path))


def test_a_run_folder_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")

    message = refused(capsys, "train", "--run-dir", str(tmp_path / "file"))

    assert "--run-dir" in message


def test_a_missing_extra(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)

    message = refused(capsys, "train", "--run-dir", str(tmp_path))

    assert "pip install 'esper-grow[digits]'" in message
