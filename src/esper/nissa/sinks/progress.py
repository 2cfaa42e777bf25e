"""Shows the progress of a run: a bar on a terminal, one line for each epoch elsewhere."""

from collections.abc import Mapping
from typing import final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.run import (
    EpochCompletedPayload,
    LoopEpochCompletedPayload,
    MetricsLoggedPayload,
)
from esper.leyline.text import printable

_MAX_METRICS = 4


@final
class ProgressSink:
    """Shows loss, accuracy, parameters and the stage of each slot after every EPOCH_COMPLETED."""

    def __init__(self, console: Console, *, epochs: int, title: str) -> None:
        """Draw on `console`; `epochs` is the planned number of epochs, `title` is shown before the bar."""
        self._console = console
        self._epochs = epochs
        self._title = title
        self._progress: Progress | None = None

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Show an epoch that has ended, and on a terminal metrics that were logged; ignore other events."""
        if isinstance(payload, MetricsLoggedPayload):
            self._show_metrics(payload)
            return
        if not isinstance(payload, EpochCompletedPayload | LoopEpochCompletedPayload):
            return
        if envelope.epoch is None:
            return
        text = _describe(payload)
        if self._console.is_terminal:
            self._draw_bar(envelope.epoch, text)
        else:
            self._console.print(
                f"{self._title}: epoch {envelope.epoch}/{self._epochs}  {text}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def close(self) -> None:
        """Stop drawing; the bar stays on the terminal."""
        if self._progress is not None:
            self._progress.stop()

    def _show_metrics(self, payload: MetricsLoggedPayload) -> None:
        """Show the newest metrics beside the bar; elsewhere a line for each would hide the epochs."""
        if self._console.is_terminal and payload.metrics:
            self._draw_bar(None, _describe_metrics(payload.metrics))

    def _draw_bar(self, epoch: int | None, text: str) -> None:
        """Draw `text` beside the bar; an `epoch` of None leaves the bar as it is."""
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[state]}", markup=False),
                console=self._console,
            )
            self._bar = self._progress.add_task(self._title, total=self._epochs, state="")
            self._progress.start()
        self._progress.update(self._bar, completed=epoch, state=text)
        if epoch is not None and epoch >= self._epochs:
            # A console can have one live display at a time, and the run that trains the host alone may draw the next.
            self._progress.stop()


def _describe(payload: EpochCompletedPayload | LoopEpochCompletedPayload) -> str:
    """Return loss, accuracy, parameters and slots as far as they are known, and further metrics."""
    loss, accuracy, num_params = payload.val_loss, payload.val_accuracy, payload.num_params
    parts = [
        "" if loss is None else f"loss {loss:.3f}",
        "" if accuracy is None else f"accuracy {accuracy:.1f} %",
        "" if num_params is None else f"parameters {num_params:,}",
        *(f"{seed.slot_id} {seed.stage.name.lower()} {seed.alpha:.2f}" for seed in payload.seeds),
    ]
    if isinstance(payload, LoopEpochCompletedPayload) and payload.metrics:
        parts.append(_describe_metrics(payload.metrics))
    return "  ".join(filter(None, parts))


def _describe_metrics(metrics: Mapping[str, float]) -> str:
    shown = list(metrics.items())[:_MAX_METRICS]
    return "  ".join(f"{printable(name)} {value:.4g}" for name, value in shown)
