"""Keeps a batch for later, as the object itself or as a copy."""

from __future__ import annotations

import copy
from collections import UserDict, UserList
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor

from esper.leyline.arguments import describe
from esper.leyline.errors import ProbeError


def copied(batch: Any) -> Any:
    """Return a copy of `batch` that shares no memory with it; tensors are detached.

    Tuples, lists, dicts, their subclasses, and dataclasses are followed to their tensors; anything else is copied with
    `copy.deepcopy`.

    Raises:
        ProbeError: a part of it cannot be copied, such as a generator.
    """
    if isinstance(batch, Tensor):
        return batch.detach().clone()
    if isinstance(batch, tuple) and "_fields" in dir(batch):
        return type(batch)(*map(copied, batch))
    if type(batch) is tuple:
        return tuple(map(copied, batch))
    if isinstance(batch, list | UserList):
        items = copy.copy(batch)
        items[:] = list(map(copied, batch))
        return items
    if isinstance(batch, dict | UserDict):
        # A shallow copy keeps the subclass and its attributes, such as the default of a `defaultdict`.
        members = copy.copy(batch)
        for key, value in batch.items():
            members[key] = copied(value)
        return members
    if is_dataclass(batch) and not isinstance(batch, type):
        values = {one.name: copied(getattr(batch, one.name)) for one in fields(batch) if one.init}
        return replace(batch, **values)
    try:
        return copy.deepcopy(batch)
    except Exception as error:
        raise ProbeError(
            f'a batch must be copyable with keep="copy", got {describe(batch)} ({type(error).__name__}: {error});'
            ' use keep="reference", or hand over a tuple, list or dict of detached tensors'
        ) from error
