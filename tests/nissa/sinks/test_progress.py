"""Progress is a bar on a terminal, and plain lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from esper._generated.enums import SeedStage, Severity
from esper._generated.records import SeedStatus
from esper._generated.run import emit_epoch_completed
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


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100])
def test_a_narrow_terminal_shows_epoch_and_accuracy(width):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(is_terminal=True, width=width))
    *_, last = filter(None, re.split(r"[\r\n]+", text))

    assert re.match(r"growing 2/2 .*90\.0 %", last)
    assert len(last.rstrip()) <= width
