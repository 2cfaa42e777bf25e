"""The settings of shipping: which events a sink gets, how often it commits, and what happens when it fails.

They come from a TOML file, with a table `[sinks.NAME]` for each sink and `[defaults]` for all, and from arguments, which
come first. The log of the shipping process holds them in its header, SINK_STARTED.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from esper._generated.fields import EVENT_FIELDS, RECORD_FIELDS
from esper._generated.registry import LEVELS
from esper.leyline.arguments import describe, real_number, whole_number
from esper.leyline.errors import UsageError
from esper.leyline.text import did_you_mean, printable

LEVEL_ORDER = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipConfig:
    """Settings of one sink."""

    events: tuple[str, ...] = ("*",)
    """Patterns of the events that are carried, such as `GOVERNOR_*`."""
    exclude: tuple[str, ...] = ()
    """Patterns of events that are left out."""
    min_level: str = "debug"
    """Lowest level of the events that are carried: debug, info, warning or error."""
    sample: Mapping[str, float] = field(default_factory=dict)
    """Part of the events that is carried, from 0 to 1, by patterns; the first pattern that fits counts. Which events that
    are is fixed by their numbers, so a second attempt carries the same ones."""
    reveal: tuple[str, ...] = ()
    """Sensitive fields that are carried, such as `RUN_FINISHED.error_message`; the others are withheld."""
    batch_events: int = 1000
    """Most events that are passed to the sink at once."""
    commit_interval_s: float = 1.0
    """Seconds between two commits while events arrive."""
    poll_interval_s: float = 0.2
    """Seconds between two looks at a log in which nothing is new."""
    stats_interval_s: float = 10.0
    """Seconds between two SINK_STATS events."""
    first_delay_s: float = 0.5
    """Seconds to wait after a failure; twice as long after each further one. Each wait is shortened at random by up to a
    half, so that many runs do not come back to a server at the same moment."""
    max_delay_s: float = 30.0
    """Longest wait."""
    max_failures: int = 10
    """Failures in a row after which a sink is given up; while the run goes on, it never is."""
    hang_timeout_s: float = 60.0
    """Seconds that one call of the sink may take; then its process is killed and started again."""
    end_grace_s: float = 10.0
    """Seconds without an event after which a run that no process writes has ended, if it has no RUN_FINISHED."""

    def check(self) -> None:
        """Check every setting.

        Raises:
            UsageError: one is of another type or out of range.
        """
        for name in ("events", "exclude", "reveal"):
            value = getattr(self, name)
            if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
                raise UsageError(f"{name} must be a list of texts, got {describe(value)}")
        if self.min_level not in LEVEL_ORDER:
            raise UsageError(
                f"min_level must be one of {', '.join(LEVEL_ORDER)}, got {describe(self.min_level)}"
            )
        self._check_patterns()
        self._check_revealed()
        for name in ("batch_events", "max_failures"):
            whole_number(name, getattr(self, name), minimum=1, error=UsageError)
        for one in fields(self):
            if one.name.endswith("_s"):
                real_number(one.name, getattr(self, one.name), minimum=0.0, error=UsageError)

    def _check_patterns(self) -> None:
        sample: object = self.sample
        if not isinstance(sample, Mapping):
            raise UsageError(f"sample must be a table of numbers by event, got {describe(sample)}")
        for pattern in (*self.events, *self.exclude, *sample):
            if not any(fnmatchcase(event, pattern) for event in LEVELS):
                raise UsageError(
                    f'no event "{printable(pattern)}"{did_you_mean(pattern, LEVELS)};'
                    " names of events are in docs/telemetry.md, and * stands for any letters"
                )
        for pattern, part in sample.items():
            if not 0.0 <= real_number(f"sample.{pattern}", part, error=UsageError) <= 1.0:
                raise UsageError(f"sample.{pattern} must be from 0 to 1, got {part}")

    def _check_revealed(self) -> None:
        known = sensitive_fields()
        for name in self.reveal:
            if name not in known:
                raise UsageError(
                    f'no sensitive field "{printable(name)}"{did_you_mean(name, known)}; there are: {", ".join(known)}'
                )


def sensitive_fields() -> list[str]:
    """Return the sensitive fields of the contract, as `EVENT.field` and `Record.field`."""
    tables = {**EVENT_FIELDS, **RECORD_FIELDS}
    return [
        f"{owner}.{one.name}"
        for owner, declared in tables.items()
        for one in declared
        if one.sensitive
    ]


def load_config(path: Path | None, sink: str, arguments: Mapping[str, Any]) -> ShipConfig:
    """Return the settings of `sink` from the file at `path` and from `arguments`, by name, which come first.

    Raises:
        UsageError: the file cannot be read, or a setting is unknown or has a value that cannot be used.
    """
    content = {} if path is None else _read(path)
    tables = [
        _table(content.get("defaults", {}), "defaults"),
        _table(_table(content.get("sinks", {}), "sinks").get(sink, {}), f"sinks.{sink}"),
        dict(arguments),
    ]
    known = [one.name for one in fields(ShipConfig)]
    settings: dict[str, Any] = {}
    for table in tables:
        for name, value in table.items():
            if name not in known:
                raise UsageError(
                    f'no setting "{printable(name)}" of a sink{did_you_mean(name, known)}; there are: {", ".join(known)}'
                )
            settings[name] = tuple(value) if isinstance(value, list) else value
    config = ShipConfig(**settings)
    config.check()
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"the settings of sinks must be a file of TOML, got {path} ({reason})"
        ) from error
    for name in content:
        if name not in ("defaults", "sinks"):
            raise UsageError(
                f'{path} must have the tables "defaults" and "sinks" only, got "{printable(name)}"'
            )
    return content


def _table(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name} must be a table, got {describe(value)}; write [{name}]")
    return value
