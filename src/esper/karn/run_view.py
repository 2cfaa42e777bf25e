"""One run, opened for reading: its events as frozen payloads, and as tables and data frames."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from esper._generated.registry import LEVELS
from esper.karn.run import read_story
from esper.karn.run_html import render_problem, render_story
from esper.karn.story import RunStory
from esper.leyline.arguments import describe
from esper.leyline.errors import EsperError, UsageError
from esper.leyline.text import did_you_mean, printable
from esper.nissa.reader import LoggedEvent, read_run
from esper.nissa.runs import resolve
from esper.nissa.tables import to_table
from esper.nissa.tags import read_tags

if TYPE_CHECKING:
    import pyarrow

Theme = Literal["light", "dark"]
"""Colours of a chart."""
_LIBRARIES = ("polars", "pandas")


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, opened by `esper.read`. Nothing is kept: each call reads the log, also that of a run that goes on."""

    folder: Path
    """The run's folder."""

    @property
    def tags(self) -> Mapping[str, str | None]:
        """The tags of the run, each with its note; None for one without a note."""
        return read_tags(self.folder)

    def count(self) -> Mapping[str, int]:
        """Return how many events of each kind there are.

        Raises:
            LogError: the log cannot be read.
        """
        return Counter(envelope.event for envelope, _ in read_run(self.folder))

    def events(self, event: str) -> Iterator[LoggedEvent]:
        """Yield the events of one kind: envelope and payload, both of them frozen.

        Raises:
            UsageError: the contract has no such event.
            LogError: the log cannot be read.
        """
        check_event(event)
        return (one for one in read_run(self.folder) if one[0].event == event)

    def table(self, event: str) -> pyarrow.Table:
        """Return the events of one kind as an Arrow table with the contract's schema: a row each, in their order.

        Null means not measured, NaN stays NaN. A field with the name of a key of the line has the column `payload_NAME`.
        Sensitive fields are included, as nothing leaves the machine.

        Raises:
            UsageError: the contract has no such event.
            LogError: the log cannot be read.
            MissingExtraError: pyarrow is not installed.
        """
        return to_table(event, list(self.events(event)))

    def frame(self, event: str, library: str | None = None) -> Any:
        """Return the same table as a data frame of polars, or of pandas if polars is not installed.

        `library` asks for "polars" or "pandas". The columns of a pandas data frame are Arrow's, so that integers with
        missing values stay integers.

        Raises:
            UsageError: the contract has no such event, or the library is another or not installed.
            LogError: the log cannot be read.
            MissingExtraError: pyarrow is not installed.
        """
        check_event(event)
        name = _choose_library(library)
        table = self.table(event)
        if name == "polars":
            import polars

            return polars.from_arrow(table)
        import pandas

        return table.to_pandas(types_mapper=pandas.ArrowDtype)

    def _repr_html_(self) -> str:
        """Return tables of the run's outcome and its seeds, which notebooks show."""
        try:
            return render_story(self.story(), self.tags)
        except EsperError as error:
            return render_problem(self.folder.name, str(error))

    def story(self) -> RunStory:
        """Return outcome, curves, slots and rollbacks of the run, as `esper.read_story` does.

        Raises:
            LogError: the log has no events, or cannot be read.
        """
        return read_story(self.folder)

    def plot_losses(self, *, theme: Theme = "light") -> Any:
        """Return the losses over epochs and steps, with stage changes, snapshots, cleared suspicions and rollbacks, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("losses", theme)

    def plot_metrics(self, *, theme: Theme = "light") -> Any:
        """Return accuracies and logged metrics over epochs and steps, marked as the losses are, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("metrics", theme)

    def plot_timeline(self, *, theme: Theme = "light") -> Any:
        """Return the stages of every slot over the epochs, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("timeline", theme)

    def plot_alphas(self, *, theme: Theme = "light") -> Any:
        """Return the amplitudes of the seeds over the epochs, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("alphas", theme)

    def plot_gradients(self, *, theme: Theme = "light") -> Any:
        """Return the norms of the seeds' gradients, divided by the host's, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("gradients", theme)

    def plot_evidence(self, *, theme: Theme = "light") -> Any:
        """Return the comparisons with and without each seed, with their intervals, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("evidence", theme)

    def plot_pareto(self, *, theme: Theme = "light") -> Any:
        """Return parameters against quality, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("pareto", theme)

    def plot_learning_rate(self, *, theme: Theme = "light") -> Any:
        """Return the learning rate per epoch, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("learning_rate", theme)

    def plot_system(self, *, theme: Theme = "light") -> Any:
        """Return the load of the machine, as an Altair chart; the extra `charts` has Altair.

        Raises:
            LogError: the log has no events, or cannot be read.
            MissingExtraError: Altair is not installed.
        """
        return self._plot("system", theme)

    def _plot(self, name: str, theme: Theme) -> Any:
        # Imported on demand: a program that reads events needs no charts.
        from esper.karn.charts.catalog import CHARTS

        return CHARTS[name].draw(self.story(), theme=theme)


def read(run: str | Path, run_dir: str | Path = "runs") -> RunView:
    """Open a run for reading: the path of its folder, or its id, the start of its id or "latest" among those in `run_dir`.

        epochs = esper.read("latest").frame("EPOCH_COMPLETED")

    Raises:
        RunNotFoundError: no run matches, or several do.
        UsageError: `run` is not a text or path.
    """
    if not isinstance(run, str | Path):
        raise UsageError(f'run must be a path or an id, got {describe(run)}; try "latest"')
    return RunView(resolve(str(run), Path(run_dir)))


def check_event(name: str) -> None:
    """Check that the contract has an event of this name.

    Raises:
        UsageError: it does not.
    """
    if not isinstance(name, str) or name not in LEVELS:
        raise UsageError(
            f'no event "{printable(str(name))}"{did_you_mean(str(name), LEVELS)}; the page "Telemetry" of the documentation'
            " lists the events"
        )


def _choose_library(wanted: str | None) -> str:
    """Return the data frame library to use, which is installed.

    Raises:
        UsageError: `wanted` is another library or is not installed, or none of the libraries is.
    """
    if wanted is not None and wanted not in _LIBRARIES:
        raise UsageError(f"library must be polars or pandas, got {describe(wanted)}")
    for name in _LIBRARIES if wanted is None else (wanted,):
        if importlib.util.find_spec(name) is not None:
            return name
    missing = " or ".join(_LIBRARIES) if wanted is None else wanted
    raise UsageError(
        f"a data frame needs {missing}, which is not installed; run: pip install {(wanted or _LIBRARIES[0])}, or use table()"
    )
