"""Keeps a batch for later, as the object itself or as a copy."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor


def copied(batch: Any) -> Any:
    """Return a copy of `batch` that shares no memory with it; tensors are detached.

    Tuples, lists, mappings and dataclasses are followed to their tensors; anything else is copied with `copy.deepcopy`.
    """
    if isinstance(batch, Tensor):
        return batch.detach().clone()
    if isinstance(batch, tuple) and "_fields" in dir(batch):
        return type(batch)(*map(copied, batch))
    if type(batch) in (tuple, list):
        return type(batch)(map(copied, batch))
    if type(batch) is dict:
        return {key: copied(value) for key, value in batch.items()}
    if is_dataclass(batch) and not isinstance(batch, type):
        members = {one.name: copied(getattr(batch, one.name)) for one in fields(batch) if one.init}
        return replace(batch, **members)
    return copy.deepcopy(batch)
