"""The options of `esper train` follow from the fields of the settings."""

import argparse

import msgspec
import pytest

from esper.cli import main
from esper.commands.train import add_option, given_settings
from esper.tolaria.training.run_settings import SETTINGS, Option, RunSettings, Setting


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for setting in SETTINGS:
        add_option(parser, setting)
    return parser


def given(parser, line: str) -> dict:
    return given_settings(parser.parse_args(line.split()))


def test_only_given_options_become_settings(parser):
    assert given(parser, "") == {}
    assert given(parser, "--seed 0") == {"seed": 0}


def test_every_setting_can_be_given(parser):
    line = (
        "--task t --policy p --epochs 20 --seed 1 --device d --detector sigma --no-baseline"
        " --inject-fault nan@2 --inject-fault spike@4 --keep-checkpoints 3"
    )

    assert given(parser, line) == msgspec.structs.asdict(
        RunSettings(
            task="t",
            policy="p",
            epochs=20,
            seed=1,
            device="d",
            detector="sigma",
            has_baseline=False,
            faults=("nan@2", "spike@4"),
            num_checkpoints=3,
        )
    )


def test_a_new_field_is_an_option():
    setting = Setting(
        name="max_grad_norm",
        option=Option(help="100 % of it", default_text="the task's own"),
        default=None,
        type=float,
        choices=(),
        is_repeatable=False,
    )
    parser = argparse.ArgumentParser()

    add_option(parser, setting)

    assert parser.parse_args(["--max-grad-norm", "0.5"]).max_grad_norm == 0.5
    assert "100 % of it (default: the task's own)" in parser.format_help()


def test_the_help_names_options_in_order_with_their_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    with pytest.raises(SystemExit):
        main(["train", "--help"])

    shown = capsys.readouterr().out.partition("options:")[2]
    lines = [line.split()[0] for line in shown.splitlines() if line.startswith("  --")]
    assert lines == [
        "--task",
        "--policy",
        "--epochs",
        "--seed",
        "--device",
        "--detector",
        "--run-dir",
        "--no-baseline",
        "--inject-fault",
        "--keep-checkpoints",
        "--resume",
        "--to",
        "--ship-config",
        "--sample-system",
    ]
    for default in ("digits", "the task's own", "0", "cpu", "robust", "runs", "2"):
        assert f"(default: {default})" in shown
