"""Shows the progress of a run: a bar on a terminal, one line for each epoch elsewhere."""

from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.run import EpochCompletedPayload
from esper.leyline.text import printable, shorten

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
        self._progress: Progress | None = None

    def write(self, envelope: Envelope, payload: Payload) -> None:
        """Show an epoch that has ended; ignore other events."""
        if not isinstance(payload, EpochCompletedPayload) or envelope.epoch is None:
            return
        if self._console.is_terminal:
            self._draw_bar(envelope.epoch, _describe_briefly(payload))
        else:
            self._console.print(
                f"{self._title}: epoch {envelope.epoch}/{self._epochs}  {_describe(payload)}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def close(self) -> None:
        """Stop drawing; the bar stays on the terminal."""
        if self._progress is not None:
            self._progress.stop()

    def _draw_bar(self, epoch: int, text: str) -> None:
        has_bar = self._console.width >= _MIN_WIDTH_OF_BAR
        place = f"{self._title} {epoch}/{self._epochs}"
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
        self._progress.update(self._bar, description=place, completed=epoch, state=state)
        if epoch >= self._epochs:
            # A console can have one live display at a time, and the run that trains the host alone may draw the next.
            self._progress.stop()


def _describe(payload: EpochCompletedPayload) -> str:
    slots = "  ".join(
        f"{printable(seed.slot_id)} {seed.stage.name.lower()} {seed.alpha:.2f}"
        for seed in payload.seeds
    )
    return (
        f"loss {payload.val_loss:.3f}  accuracy {payload.val_accuracy:.1f} %"
        f"  parameters {payload.num_params:,}  {slots}"
    ).rstrip()


def _describe_briefly(payload: EpochCompletedPayload) -> str:
    """Return the same with the accuracy first, because a terminal may cut the end."""
    accuracy, loss = f"{payload.val_accuracy:.1f} %", f"loss {payload.val_loss:.3f}"
    rest = _describe(payload).partition("  parameters")[2].strip()
    return f"{accuracy}  {loss}  parameters {rest}"
