"""Progress is a bar on a terminal, and plain lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from esper._generated.enums import SeedStage, Severity
from esper._generated.records import SeedStatus
from esper._generated.run import (
    LoopEpochCompletedPayload,
    emit_epoch_completed,
    emit_metrics_logged,
)
from esper.nissa.hub import Hub
from esper.nissa.sinks.progress import ProgressSink
from esper.tolaria.training.reports import EpochReport

SEED = SeedStatus(
    slot_id="r0c0",
    stage=SeedStage.BLENDING,
    alpha=0.5,
    epochs_in_stage=1,
    blueprint_id="norm",
    num_params=17,
    grad_ratio=None,
    contribution=None,
)
REPORT = EpochReport(
    train_loss=0.5,
    train_accuracy=80.0,
    val_loss=0.25,
    val_accuracy=90.0,
    host_grad_norm=1.0,
    learning_rate=0.1,
    num_params=1234,
    severity=Severity.OK,
    seeds=(SEED,),
    duration_s=0.1,
)


def shown(
    *,
    is_terminal: bool,
    titles: tuple[str, ...] = ("growing",),
    epochs: int = 2,
    width: int = 120,
) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=width)
    for title in titles:
        with Hub("run") as hub:
            hub.attach(ProgressSink(console, epochs=epochs, title=title))
            channel = hub.channel(env_id=0)
            for epoch in range(1, epochs + 1):
                channel.advance(epoch=epoch)
                emit_epoch_completed(channel, REPORT)
    return file.getvalue()


def test_prints_one_plain_line_for_each_epoch():
    first, second = shown(is_terminal=False).splitlines()

    assert first == (
        "growing: epoch 1/2  loss 0.250  accuracy 90.0 %  parameters 1,234  r0c0 blending 0.50"
    )
    assert second.startswith("growing: epoch 2/2")


def test_draws_a_bar_on_a_terminal():
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(is_terminal=True))

    assert "growing" in plain
    assert "2/2" in plain
    assert "r0c0 blending 0.50" in plain


@pytest.mark.parametrize("epochs", [1, 3])
def test_two_bars_on_one_console_follow_each_other(epochs):
    text = shown(is_terminal=True, titles=("growing", "host alone"), epochs=epochs)

    rest = text.rpartition("growing")[2]
    assert "host alone" in rest


def shown_metrics(*, is_terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=120)
    with Hub("run") as hub:
        hub.attach(ProgressSink(console, epochs=2, title="mine"))
        channel = hub.channel(env_id=0, epoch=1)
        emit_metrics_logged(
            channel, step=3, metrics={"loss": 0.125, "\x1b": float("nan")}, num_left_out=0
        )
    return file.getvalue()


def test_the_newest_metrics_stand_beside_the_bar():
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown_metrics(is_terminal=True))

    assert "loss 0.125  \\x1b nan" in plain
    assert "0/2" in plain


def test_metrics_print_no_lines_where_there_is_no_terminal():
    assert shown_metrics(is_terminal=False) == ""


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "mine: epoch 1/2"),
        ({"val_loss": 0.5, "metrics": {"top5": 99.0}}, "mine: epoch 1/2  loss 0.500  top5 99"),
        ({"val_accuracy": 90.0, "num_params": 42}, "accuracy 90.0 %  parameters 42"),
    ],
)
def test_an_epoch_of_an_own_loop_shows_what_is_known(values, text):
    unknown = dict.fromkeys(
        (
            "train_loss",
            "train_accuracy",
            "val_loss",
            "val_accuracy",
            "learning_rate",
            "num_params",
            "severity",
        )
    )
    payload = LoopEpochCompletedPayload(
        **{**unknown, "metrics": {}, "seeds": (), "duration_s": 0.1, "env_id": 0, **values}
    )
    file = io.StringIO()
    with Hub("run") as hub:
        hub.attach(ProgressSink(Console(file=file, width=120), epochs=2, title="mine"))
        hub.channel(env_id=0, epoch=1).send(payload)

    assert file.getvalue().strip().endswith(text)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100])
def test_a_narrow_terminal_shows_epoch_and_accuracy(width):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(is_terminal=True, width=width))
    *_, last = filter(None, re.split(r"[\r\n]+", text))

    assert re.match(r"growing 2/2 .*90\.0 %", last)
    assert len(last.rstrip()) <= width
