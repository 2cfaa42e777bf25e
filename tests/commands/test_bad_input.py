"""An error that the user can correct is one line with exit code 2, without a traceback."""

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
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--epoch", "3"], "unknown argument --epoch; did you mean --epochs?"),
        (["train", "--epochs", "many"], "argument --epochs: invalid int value: 'many'"),
        (["train", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["train", "--seed", "-1"], "--seed must be at least 0, got -1"),
        (["train", "--keep-checkpoints", "0"], "--keep-checkpoints must be at least 1, got 0"),
        (["train", "--detector", "mean"], "argument --detector: invalid choice: 'mean'"),
        (["train", "--task", "digit"], 'no task "digit"; there are: digits'),
        (["train", "--device", "abacus"], '--device must be usable here, got "abacus"'),
        (["train", "--device", "cuda:99"], '--device must be usable here, got "cuda:99"'),
        (
            ["train", "--inject-fault", "nan"],
            'a fault must be nan@EPOCH or spike@EPOCH with an epoch from 1, got "nan"; try nan@12',
        ),
        (["train", "--inject-fault", "flood@3"], 'got "flood@3"'),
        (["train", "--inject-fault", "nan@0"], 'got "nan@0"'),
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
