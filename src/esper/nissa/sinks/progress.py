"""Shows the progress of a run: a bar on a terminal, one line for each epoch elsewhere."""

from collections.abc import Iterator, Mapping
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.run import (
    EpochCompletedPayload,
    HostRejuvenatedPayload,
    LoopEpochCompletedPayload,
    MetricsLoggedPayload,
)
from esper.leyline.evidence import describe_rejuvenation
from esper.leyline.text import printable, shorten

_MAX_METRICS = 4
_MIN_WIDTH_OF_BAR = 80
_BAR_WIDTH = 20
_TIME_WIDTH = len("-:--:--")
# The shortest text after the epoch: an accuracy.
_MIN_STATE = len("100.0 %")


@final
class ProgressSink:
    """Shows loss, accuracy, parameters and the stage of each slot after every EPOCH_COMPLETED."""

    def __init__(self, console: Console, *, epochs: int, title: str) -> None:
        """Draw on `console`; `epochs` is the planned number of epochs, `title` is shown before the bar."""
        self._console = console
        self._epochs = epochs
        self._title = title
        self._epoch = 0
        self._progress: Progress | None = None

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Show an epoch that has ended, a rejuvenation, and on a terminal metrics that were logged; ignore other events."""
        if isinstance(payload, MetricsLoggedPayload):
            self._show_metrics(payload)
            return
        if isinstance(payload, HostRejuvenatedPayload):
            text = describe_rejuvenation(payload)
            self._print(f"rejuvenation after epoch {payload.after_epoch} {text}")
            return
        if not isinstance(payload, EpochCompletedPayload | LoopEpochCompletedPayload):
            return
        if envelope.epoch is None:
            return
        if self._console.is_terminal:
            self._draw_bar(envelope.epoch, _describe_briefly(payload))
        else:
            self._epoch = envelope.epoch
            self._print(f"epoch {envelope.epoch}/{self._epochs}  {_describe(payload)}")

    def close(self) -> None:
        """Stop drawing; the bar stays on the terminal."""
        if self._progress is not None:
            self._progress.stop()

    def _print(self, text: str) -> None:
        self._console.print(f"{self._title}: {text}", markup=False, highlight=False, soft_wrap=True)

    def _show_metrics(self, payload: MetricsLoggedPayload) -> None:
        """Show the newest metrics beside the bar; elsewhere a line for each would hide the epochs."""
        if self._console.is_terminal and payload.metrics:
            self._draw_bar(None, _describe_metrics(payload.metrics))

    def _draw_bar(self, epoch: int | None, text: str) -> None:
        """Draw `text` beside the bar; an `epoch` of None leaves the bar as it is."""
        self._epoch = self._epoch if epoch is None else epoch
        has_bar = self._console.width >= _MIN_WIDTH_OF_BAR
        place = f"{self._title} {self._epoch}/{self._epochs}"
        taken = len(place) + 1 + (_BAR_WIDTH + 1 + _TIME_WIDTH + 1 if has_bar else 0)
        # Cut here, because Rich would cut the epoch and the accuracy as well.
        state = shorten(text, max(self._console.width - taken, _MIN_STATE))
        if self._progress is None:
            middle = [BarColumn(bar_width=_BAR_WIDTH), TimeRemainingColumn()] if has_bar else []
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                *middle,
                TextColumn("{task.fields[state]}", markup=False),
                console=self._console,
            )
            self._bar = self._progress.add_task(place, total=self._epochs, state=state)
            self._progress.start()
        self._progress.update(self._bar, description=place, completed=self._epoch, state=state)
        if epoch is not None and epoch >= self._epochs:
            # A console can have one live display at a time, and the run that trains the host alone may draw the next.
            self._progress.stop()


def _describe(payload: EpochCompletedPayload | LoopEpochCompletedPayload) -> str:
    """Return loss, accuracy, parameters and slots as far as they are known, and further metrics."""
    loss, accuracy = _loss(payload), _percent(payload)
    parts = [loss, f"accuracy {accuracy}" if accuracy else "", *_describe_rest(payload)]
    return "  ".join(filter(None, parts))


def _describe_briefly(payload: EpochCompletedPayload | LoopEpochCompletedPayload) -> str:
    """Return the same with the accuracy first, because a terminal may cut the end."""
    return "  ".join(filter(None, [_percent(payload), _loss(payload), *_describe_rest(payload)]))


def _loss(payload: EpochCompletedPayload | LoopEpochCompletedPayload) -> str:
    return "" if payload.val_loss is None else f"loss {payload.val_loss:.3f}"


def _percent(payload: EpochCompletedPayload | LoopEpochCompletedPayload) -> str:
    return "" if payload.val_accuracy is None else f"{payload.val_accuracy:.1f} %"


def _describe_rest(payload: EpochCompletedPayload | LoopEpochCompletedPayload) -> Iterator[str]:
    """Yield parameters, slots and further metrics."""
    if payload.num_params is not None:
        yield f"parameters {payload.num_params:,}"
    for seed in payload.seeds:
        yield f"{printable(seed.slot_id)} {seed.stage.name.lower()} {seed.alpha:.2f}"
    if isinstance(payload, LoopEpochCompletedPayload):
        yield _describe_metrics(payload.metrics)


def _describe_metrics(metrics: Mapping[str, float]) -> str:
    shown = list(metrics.items())[:_MAX_METRICS]
    return "  ".join(f"{printable(name)} {value:.4g}" for name, value in shown)
