"""Short texts for messages: safe to print on a terminal, cut to a length, with correct plurals."""

import traceback
from collections.abc import Iterable, Sequence

_MAX_LENGTH = 200
_MAX_MESSAGE = 1000


def shorten(text: str, max_length: int) -> str:
    """Return `text`, cut to `max_length` characters (at least 3) with `...` at the end if it is longer."""
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


def printable(text: str, max_length: int = _MAX_LENGTH) -> str:
    r"""Return `text` on one line, shortened, without characters that a terminal would act on.

    Names and reasons are read from logs that anybody may have written. Line ends, escape sequences and characters that
    change the writing direction are shown as `\n`, `\x1b` and the like.
    """
    return _escape(shorten(text, max_length))


def printable_message(text: str, max_length: int = _MAX_MESSAGE) -> str:
    """Return a message as `printable` does, but shortened in the middle, since the remedy is at its end."""
    if len(text) > max_length:
        half = (max_length - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return _escape(text)


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun: `1 panic`, `2 panics`, `1,234 events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def join_names(names: Sequence[str], *, max_names: int) -> str:
    """Return the first `max_names` names and how many are left out: `a, b, c and 4 more`."""
    num_more = len(names) - max_names
    joined = ", ".join(names[:max_names])
    return f"{joined} and {num_more} more" if num_more > 0 else joined


def encodable(text: str) -> str:
    """Return `text` with lone surrogates escaped, so that it can be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def describe_exception(error: BaseException) -> str:
    """Return class and message of `error`, as the last lines of its traceback have them."""
    # `str(error)` would fail here if the exception's own `__str__` raises; `traceback` handles that.
    return "".join(traceback.format_exception_only(error)).strip()


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return `; did you mean --epochs?` if `given` resembles one of the `known` names, else nothing."""
    # Imported for an error only, as commands start sooner without it.
    import difflib

    # The search takes a time that grows with the length.
    close = difflib.get_close_matches(given[:_MAX_LENGTH], known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
