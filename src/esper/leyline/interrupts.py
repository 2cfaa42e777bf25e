"""Tells exceptions of signal handlers from exceptions of the code that they interrupted.

Python calls a signal handler between any two steps of the main thread. If the handler raises, as the default handler of
Ctrl-C and timeouts do, the exception comes out of whichever function was running. Code that catches the errors of a sink or
of the disk must pass such an exception on, because it belongs to the user.
"""

from types import FrameType


def raised_by_signal_handler(error: BaseException) -> bool:
    """Return whether a signal handler raised `error`.

    A handler is called with the frame that it interrupts, which the traceback shows right before the handler's own frame.
    `KeyboardInterrupt` always counts, because Python's own handler leaves no frame. The answer is False for other handlers
    written in C, for one that has deleted its argument, and for an exception that was raised in response to a handler's.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    outer = error.__traceback__
    while outer is not None and (inner := outer.tb_next) is not None:
        if _is_argument(outer.tb_frame, inner.tb_frame):
            return True
        outer = inner
    return False


def _is_argument(value: FrameType, frame: FrameType) -> bool:
    """Return whether the function that runs in `frame` was called with `value`, by position or as one of `*args`."""
    code = frame.f_code
    has_rest = bool(code.co_flags & 0x04)
    num_named = code.co_argcount + code.co_kwonlyargcount
    values = frame.f_locals
    if any(values.get(name) is value for name in code.co_varnames[: code.co_argcount]):
        return True
    return has_rest and any(one is value for one in values.get(code.co_varnames[num_named], ()))
