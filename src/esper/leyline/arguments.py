"""Checks of arguments that users pass: a wrong one is refused where it is given, before it reaches a file or a thread.

Each message names the rule and the value that broke it. `error` is the class to raise, such as `SlotError`.
"""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_MAX_SHOWN: Final = 120
"""Characters of a value that a message shows."""


def whole_number(
    name: str, value: object, *, minimum: int | None = None, error: type[ValueError] = ValueError
) -> int:
    """Return `value`, an integer from `minimum`, as an int; NumPy's integers are accepted, booleans are not.

    Raises:
        ValueError: `value` is not such a number; of the class `error`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise error(f"{name} must be a whole number, got {describe(value)}")
    if minimum is not None and value < minimum:
        raise error(f"{name} must be at least {minimum}, got {value}")
    return int(value)


def real_number(
    name: str,
    value: object,
    *,
    minimum: float | None = None,
    error: type[ValueError] = ValueError,
) -> float:
    """Return `value`, a number from `minimum`, as a float; NumPy's numbers are accepted, booleans are not.

    NaN is refused if there is a minimum, which may be minus infinity.

    Raises:
        ValueError: `value` is not such a number; of the class `error`.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise error(f"{name} must be a number, got {describe(value)}")
    if minimum is not None and not float(value) >= minimum:
        rule = "other than NaN" if minimum == -math.inf else f"at least {minimum:g}"
        raise error(f"{name} must be {rule}, got {value}")
    return float(value)


def text_of_length(
    name: str, value: object, minimum: int, maximum: int, *, error: type[ValueError] = ValueError
) -> str:
    """Return `value`, a string of `minimum` to `maximum` characters.

    Raises:
        ValueError: `value` is not such a string; of the class `error`.
    """
    if not isinstance(value, str):
        raise error(f"{name} must be a string, got {describe(value)}")
    if not minimum <= len(value) <= maximum:
        raise error(f"{name} must have {minimum} to {maximum} characters, got {describe(value)}")
    return value


def instance_of(
    name: str,
    value: object,
    kind: type[_T],
    remedy: str = "",
    *,
    error: type[ValueError] = ValueError,
) -> _T:
    """Return `value`, an instance of the class `kind`; `remedy` ends the message.

    Raises:
        ValueError: `value` is of another type; of the class `error`.
    """
    if not isinstance(value, kind):
        raise error(
            f"{name} must be of type {kind.__name__}, got {describe(value)}"
            + (f"; {remedy}" if remedy else "")
        )
    return value


def check_callable(name: str, value: object, *, error: type[ValueError] = ValueError) -> None:
    """Check that `value` can be called.

    Raises:
        ValueError: it cannot; of the class `error`.
    """
    if not callable(value):
        raise error(
            f"{name} must be a function, got {describe(value)}; pass the function without calling it"
        )


def check_methods(
    name: str,
    value: object,
    methods: Iterable[str],
    remedy: str,
    *,
    error: type[ValueError] = ValueError,
) -> None:
    """Check that `value` is an instance, not a class, and has all attributes in `methods`; `remedy` ends the message.

    Raises:
        ValueError: it is a class, or lacks one of them; of the class `error`.
    """
    if isinstance(value, type):
        raise error(
            f"{name} must be an instance, got the class {value.__name__}; write {value.__name__}()"
        )
    present = set(dir(value))
    if missing := [method for method in methods if method not in present]:
        raise error(
            f"{name} must have {', '.join(methods)}, got {describe(value)}"
            f" without {', '.join(missing)}; {remedy}"
        )


def describe(value: Any) -> str:
    """Return `value` for a message: its text if it is short and plain, else its type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or (isinstance(value, str | int | float) and len(repr(value)) <= _MAX_SHOWN):
        return repr(value)
    return f"a value of type {type(value).__name__}"
