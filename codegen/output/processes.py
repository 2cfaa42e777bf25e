"""Spreads work over processes, where that is possible and pays."""

import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from ..diagnostics.errors import CodegenError

# With fewer, starting a process takes longer than it saves.
MIN_ITEMS = 12

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_in_processes(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Apply `function` to every item, in forked processes beside this one when there are enough items.

    The results, which can be pickled, come in the order of the items.

    Raises:
        CodegenError: the function raised it for some item.
    """
    num_shares = max(1, min(num_cores(), len(items) // MIN_ITEMS))
    # Neighbours are alike, every other item is not: what lies together makes shares of the same weight.
    ends = [len(items) * index // num_shares for index in range(num_shares + 1)]
    shares = [items[start:end] for start, end in pairwise(ends)]
    readers = [_fork(function, share) for share in shares[1:]]
    done = [function(item) for item in shares[0]]
    for reader in readers:
        done += _receive(*reader)
    return done


def num_cores() -> int:
    """Return how many processes can work at once; 1 where forking is not safe."""
    # A fork copies one thread alone, so it must be the only one.
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    return len(os.sched_getaffinity(0))


def _fork(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> tuple[int, int]:
    """Start a process that works on the items; return its id and where to read what it says."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    status = 1
    try:
        _send(writer, function, items)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        # Leave at once: whatever is open or on its way here belongs to the other process.
        os._exit(status)


def _send(writer: int, function: Callable[[_Item], _Result], items: Sequence[_Item]) -> None:
    said: object
    try:
        said = [function(item) for item in items]
    except (CodegenError, OSError) as error:
        said = error
    with os.fdopen(writer, "wb") as pipe:
        pickle.dump(said, pipe)


def _receive(child: int, reader: int) -> list[_Result]:
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    if os.waitpid(child, 0)[1]:
        raise CodegenError("a process that renders ended before it was done")
    said = pickle.loads(data)
    if isinstance(said, Exception):
        raise said
    results: list[_Result] = said
    return results
