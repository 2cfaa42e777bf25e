"""Turns the values that a training loop reports into plain numbers, and refuses what is not one number.

Tensors and NumPy values are recognised by their method `item`, so that this module needs neither library.
"""

from collections.abc import Mapping
from math import inf, isnan
from operator import index
from typing import Protocol, SupportsFloat, SupportsIndex, runtime_checkable

from esper.leyline.errors import UsageError
from esper.leyline.text import printable

MAX_METRICS = 256
"""Most metrics of one event; a test compares it with the contract."""
_MAX_NAME = 128
_MAX_INT = 2**63 - 1
_TOLERANCE = 1e-3
"""Points by which the rounding of a mean in float32 may exceed 100 %."""


@runtime_checkable
class _HasItem(Protocol):
    """A tensor, array or NumPy scalar."""

    def item(self) -> float:
        """Return its only element."""


def to_number(name: str, value: SupportsFloat) -> float:
    """Return `value`, a number, or a tensor or array with one element, as a float; errors call it `name`.

    Waits until the device of a tensor has computed it.

    Raises:
        UsageError: it is not one number.
    """
    if type(value) is float:
        # The usual case; the check for a method below takes microseconds.
        return value
    try:
        # `float` of a tensor that requires gradients warns; `item` does not. `float` would read a text.
        return float(value.item() if isinstance(value, _HasItem) else _not_text(value))
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        reason = printable(str(error).partition("\n")[0])
        raise UsageError(
            f'"{printable(name)}" must be one number, got a {type(value).__name__} ({reason});'
            " reduce or convert it, for example with .mean()"
        ) from error


def to_numbers(metrics: Mapping[str, SupportsFloat]) -> dict[str, float]:
    """Return metrics, by name, as numbers.

    Raises:
        UsageError: there are too many, a name is too long or not printable, or a value is not one number.
    """
    if len(metrics) > MAX_METRICS:
        raise UsageError(
            f"metrics must be at most {MAX_METRICS} in one call, got {len(metrics)}; use several calls"
        )
    for name in metrics:
        if not (1 <= len(name) <= _MAX_NAME and name.isprintable()):
            raise UsageError(
                f'the name of a metric must have 1 to {_MAX_NAME} printable characters, got "{printable(name)}";'
                " rename it"
            )
    return {name: to_number(name, value) for name, value in metrics.items()}


def to_optional_number(name: str, value: SupportsFloat | None) -> float | None:
    """Return `value` as a number, or None for None.

    Raises:
        UsageError: it is not one number.
    """
    return None if value is None else to_number(name, value)


def to_percent(name: str, value: SupportsFloat | None) -> float | None:
    """Return an accuracy in percent; None for None and for NaN, which say that it was not measured.

    Raises:
        UsageError: it is not one number, or outside of 0 to 100.
    """
    number = to_optional_number(name, value)
    if number is None or isnan(number):
        return None
    if not 0.0 <= number <= 100.0 + _TOLERANCE:
        raise UsageError(f"{name} must be in percent, 0 to 100, got {number}; convert it")
    return min(number, 100.0)


def to_rate(name: str, value: SupportsFloat | None) -> float | None:
    """Return a learning rate, or None for None.

    Raises:
        UsageError: it is not one number, is negative or is not finite.
    """
    number = to_optional_number(name, value)
    if number is not None and not 0.0 <= number < inf:
        raise UsageError(f"{name} must be 0 or more and finite, got {number}; leave it out")
    return number


def to_int(name: str, value: SupportsIndex) -> int:
    """Return an integer, a NumPy integer or an integer tensor with one element as an int; errors call it `name`.

    Raises:
        UsageError: it is not an integer, is negative, or does not fit 64 bits.
    """
    try:
        number = index(value)
    except (TypeError, RuntimeError) as error:
        raise UsageError(
            f"{name} must be an integer, got a {type(value).__name__}; convert it or leave it out"
        ) from error
    if not 0 <= number <= _MAX_INT:
        shown = number if abs(number) < 10**30 else "a huge number"
        raise UsageError(f"{name} must be from 0 to 2**63 - 1, got {shown}; leave it out")
    return number


def _not_text(value: SupportsFloat) -> SupportsFloat:
    """Return `value` if it is not a text.

    Raises:
        TypeError: it is a text.
    """
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("a text is not a number")
    return value
