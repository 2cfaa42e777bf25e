"""Finds the class of a log sink by its name: those of Esper, those of installed packages, and those in a Python file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from esper.leyline.arguments import describe
from esper.leyline.errors import MissingExtraError, UsageError
from esper.leyline.text import did_you_mean, printable
from esper.nissa.shipping.log_sink import LogSink

ENTRY_POINTS: Final = "esper.sinks"
"""The group of entry points by which a package offers log sinks; the name of an entry point is the sink's."""

BUILT_IN: Final = {
    "csv": "esper.nissa.log_sinks.csv_files:CsvSink",
    "otlp": "esper.nissa.log_sinks.otlp:OtlpSink",
    "tensorboard": "esper.nissa.log_sinks.tensorboard:TensorBoardSink",
    "wandb": "esper.nissa.log_sinks.wandb_offline:WandbSink",
}
"""Module and class of each sink of Esper, by its name."""
_PLACE = re.compile(r"(?P<file>.+\.py):(?P<name>[^:]+)(?::(?P<argument>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A sink and its argument, as `--to` names them: `NAME`, `NAME:ARGUMENT` or `FILE.py:CLASS[:ARGUMENT]`."""

    name: str
    argument: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Return the target that a text names.

        Raises:
            UsageError: it names no sink.
        """
        place = _PLACE.fullmatch(text)
        if place is not None:
            return cls(name=f"{place['file']}:{place['name']}", argument=place["argument"] or "")
        name, _, argument = text.partition(":")
        if name not in sink_names():
            hint = did_you_mean(name, sink_names()) or f"; there are: {', '.join(sink_names())}"
            raise UsageError(
                f'no sink "{printable(name)}"{hint}, and FILE.py:CLASS names one in a file'
            )
        return cls(name=name, argument=argument)

    @property
    def label(self) -> str:
        """Name of the sink's folder in `ship/`: unique for each argument, so that each has a position of its own."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self.name.rpartition(":")[2] or self.name)[:64]
        if not self.argument and self.name in sink_names():
            return name
        digest = hashlib.sha256(f"{self.name}\0{self.argument}".encode("utf-8", "replace"))
        return f"{name}-{digest.hexdigest()[:8]}"

    @property
    def text(self) -> str:
        """The text that names it."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


def sink_names() -> list[str]:
    """Return the names of all sinks that Esper and installed packages offer; nothing is imported."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def load_sink(name: str) -> type[LogSink]:
    """Import and return the class of a sink.

    What the module itself raises is not caught.

    Raises:
        UsageError: there is no such sink, or it is not a whole subclass of `LogSink`.
    """
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: object = vars(importlib.import_module(module))[attribute]
    elif name in installed:
        found = installed[name].load()
    else:
        found = _load_from_file(name)
    if not isinstance(found, type) or not issubclass(found, LogSink):
        raise UsageError(
            f"the sink {printable(name)} must be a subclass of esper.LogSink, got {describe(found)};"
            " correct the package or the file that offers it"
        )
    missing = sorted(found.__abstractmethods__)
    if not any("RESUMPTION" in vars(cls) for cls in found.__mro__):
        missing.append("RESUMPTION")
    if missing:
        raise UsageError(
            f"the sink {printable(name)} must define everything that esper.LogSink asks for, but it lacks"
            f" {', '.join(missing)}; correct the package or the file that offers it"
        )
    return found


def check_installed(sink: type[LogSink], name: str) -> None:
    """Check that the modules that a sink needs are installed; they are not imported.

    Raises:
        MissingExtraError: one is missing, and an extra of Esper installs it.
        UsageError: one is missing, and the sink comes from elsewhere.
    """
    for module in sink.REQUIRES:
        try:
            is_missing = importlib.util.find_spec(module) is None
        except ModuleNotFoundError:
            is_missing = True
        if is_missing and sink.EXTRA is not None:
            raise MissingExtraError(sink.EXTRA, package=module)
        if is_missing:
            raise UsageError(
                f"the sink {printable(name)} needs the module {module}, which is missing; install it"
            )


def _load_from_file(place: str) -> object:
    path_text, _, name = place.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UsageError(
            f"a sink's file must exist, got {printable(path_text)}; write FILE.py:CLASS"
        )
    module_name = f"esper_sink_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look their module up.
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    if name not in vars(module):
        raise UsageError(f"{printable(path_text)} has no class {printable(name)}; name another")
    found: object = vars(module)[name]
    return found
