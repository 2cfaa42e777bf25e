"""Prints a table of runs with the outcome of each."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from esper._generated.enums import SeedStage
from esper.karn.run import read_story
from esper.karn.story import RunStory
from esper.leyline.errors import EsperError
from esper.leyline.text import printable


def render_runs(folders: Iterable[Path], console: Console) -> None:
    """Print a line for each run, and below them an error for each run that cannot be read."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "outcome"):
        table.add_column(title, no_wrap=True)
    for title in ("epochs", "host", "grown", "fossils"):
        table.add_column(title, justify="right", no_wrap=True)
    errors = []
    for folder in folders:
        name = printable(folder.name)
        try:
            table.add_row(name, *_cells(read_story(folder)))
        except EsperError as error:
            table.add_row(name, "unreadable")
            errors.append(Text(f"{name}: {error}", "yellow"))
    if not table.row_count:
        console.print("no runs yet; start one with: esper train", highlight=False)
        return
    console.print(table, highlight=False)
    for error_line in errors:
        console.print(error_line, highlight=False, soft_wrap=True)


def _cells(story: RunStory) -> list[str]:
    return [
        "unfinished" if story.outcome is None else story.outcome.name.lower(),
        str(story.epochs_completed),
        _percent(story.host_accuracy),
        _percent(story.grown_accuracy),
        str(story.count_seeds(SeedStage.FOSSILIZED)),
    ]


def _percent(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{accuracy:.2f} %"
