"""Numbers, times and amplitudes as short texts; a value that the log does not have is `-`."""

from __future__ import annotations

import time
from math import isfinite

MISSING = "-"
"""Shown for a value that the log does not have."""
NOT_LOGGED = "not in the log"
"""Shown for it where there is room."""

_FULL, _EMPTY = "█", "░"
_SPARKS = "▁▂▃▄▅▆▇█"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def show_number(value: float | None, *, digits: int = 4) -> str:
    """Return a number with at most `digits` significant digits."""
    if value is None:
        return MISSING
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"


def show_bytes(num_bytes: float | None) -> str:
    """Return a size with its unit, such as `1.2 MB`."""
    if num_bytes is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"


def show_duration(seconds: float | None) -> str:
    """Return a time span in its two largest units, such as `3 min 20 s`."""
    if seconds is None or not isfinite(seconds):
        return MISSING
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    for size, name, small, small_name in (
        (_MINUTE, "min", 1, "s"),
        (_HOUR, "h", _MINUTE, "min"),
        (_DAY, "d", _HOUR, "h"),
    ):
        if whole < size * 60 or size == _DAY:
            large, rest = divmod(whole, size)
            if size == _HOUR and large >= 24:
                continue
            rest_text = f" {rest // small} {small_name}" if rest >= small else ""
            return f"{large:,} {name}{rest_text}"
    raise AssertionError(whole)


def show_clock(t_wall_ns: int) -> str:
    """Return a wall time as hours, minutes and seconds of the local time zone."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(t_wall_ns // 1_000_000_000))
    except (OverflowError, ValueError, OSError):
        # A time beyond the calendar.
        return "--:--:--"


def draw_bar(share: float, width: int) -> str:
    """Return a bar of `width` characters, filled by `share`, which is from 0 to 1; empty if that is not finite."""
    if not isfinite(share):
        return " " * width
    filled = round(min(max(share, 0.0), 1.0) * width)
    return _FULL * filled + _EMPTY * (width - filled)


def draw_spark(values: tuple[float | None, ...], width: int) -> str:
    """Return values as a row of at most `width` small bars between the lowest and the highest; NaN as a space."""
    if not values:
        return MISSING
    if len(values) > width:
        # The last one is always the newest value.
        values = tuple(values[(index * len(values) - 1) // width] for index in range(1, width + 1))
    finite = [value for value in values if value is not None and isfinite(value)]
    if not finite:
        return MISSING
    low = min(finite)
    span = max(finite) - low
    top = len(_SPARKS) - 1
    return "".join(
        (
            " "
            if value is None or not isfinite(value)
            else _SPARKS[round((value - low) / span * top) if 0 < span < float("inf") else top // 2]
        )
        for value in values
    )
