"""Shows the progress of a run: a bar on a terminal, one line for each epoch elsewhere."""

from typing import final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from esper._generated.channel import Payload
from esper._generated.envelope import Envelope
from esper._generated.run import EpochCompletedPayload


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

    def _draw_bar(self, epoch: int, text: str) -> None:
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
        if epoch >= self._epochs:
            # A console can have one live display at a time, and the run that trains the host alone may draw the next.
            self._progress.stop()


def _describe(payload: EpochCompletedPayload) -> str:
    slots = "  ".join(
        f"{seed.slot_id} {seed.stage.name.lower()} {seed.alpha:.2f}" for seed in payload.seeds
    )
    return (
        f"loss {payload.val_loss:.3f}  accuracy {payload.val_accuracy:.1f} %"
        f"  parameters {payload.num_params:,}  {slots}"
    ).rstrip()
