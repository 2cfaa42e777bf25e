"""Ends a query after a time, or at Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar, final

from esper.leyline.errors import UsageError

if TYPE_CHECKING:
    import duckdb

_ResultT = TypeVar("_ResultT")
_GRACE_S = 5.0
"""Time that DuckDB gets to end a query that was interrupted; a few of its functions do not notice it."""


@final
class TimeLimit:
    """The time that a query may take, in as many pieces of work as it is done."""

    def __init__(self, seconds: float, *, give_up: Callable[[BaseException], None]) -> None:
        """Allow `seconds`.

        `give_up` is called with the error if the query does not end although it was interrupted. Only the end of the
        process can end it then.
        """
        self._seconds = seconds
        self._left = seconds
        self._give_up = give_up

    def run(self, connection: duckdb.DuckDBPyConnection, work: Callable[[], _ResultT]) -> _ResultT:
        """Return the result of `work`, which queries `connection`; interrupt it if time is over, or at Ctrl-C.

        The work is done in another thread, as Python handles Ctrl-C in the main one, and only while that is not in
        DuckDB.

        Raises:
            UsageError: the time is over.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        start = time.monotonic()
        worker = _Worker(work)
        try:
            worker.join(max(self._left, 0.0))
            if worker.is_alive():
                raise UsageError(
                    f"a query must end within {self._seconds:g} s, got a longer one; simplify it, name fewer runs, or"
                    " allow more time: `timeout`"
                )
        except BaseException as error:
            connection.interrupt()
            worker.join(_GRACE_S)
            if worker.is_alive():
                self._give_up(error)
            raise
        self._left -= time.monotonic() - start
        return worker.result()


@final
class _Worker(threading.Thread, Generic[_ResultT]):
    """A thread that keeps the result of its work, or its error."""

    def __init__(self, work: Callable[[], _ResultT]) -> None:
        """Start the work."""
        super().__init__(name="esper-query", daemon=True)
        self._work = work
        self._results: list[_ResultT] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Do the work."""
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._error = error

    def result(self) -> _ResultT:
        """Return the result of the work, which has ended, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._results[0]
