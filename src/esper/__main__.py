"""Starts the command line; `esper` and `python -m esper` are the same."""

import contextlib
import os
import signal
import sys
import types

_EXIT_BASE = 128
_USAGE_EXIT_CODE = 2


def main() -> int:
    """Run the command that the process was started with and return its exit code.

    Until a command handles signals itself, a signal ends the process at once: nothing can be lost yet, and an exception in
    the middle of importing PyTorch would end in a traceback.
    """
    if os.name == "nt":
        print(
            "esper: the commands need Linux or macOS, got Windows; use WSL, or read runs with esper.read_run",
            file=sys.stderr,
        )
        return _USAGE_EXIT_CODE
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ignored signals stay ignored, as SIGHUP under nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    sys.unraisablehook = _report_unraisable
    _fill_closed_descriptors()
    from esper.cli import main as run_command

    return run_command()


def _end(number: int, _frame: types.FrameType | None) -> None:
    # Suppressed if the terminal is gone. Not `print`, which cannot be called in the middle of another `print`.
    with contextlib.suppress(OSError):
        os.write(2, f"esper: ended by {signal.Signals(number).name}\n".encode())
    os._exit(_EXIT_BASE + number)


def _report_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Report an exception that Python cannot raise, such as one in a finalizer, unless it is the user's Ctrl-C."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _fill_closed_descriptors() -> None:
    """Open descriptors 0 to 2 if they are closed, because the next file, the run log say, would become standard output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
