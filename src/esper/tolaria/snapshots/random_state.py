"""The state of the process's random generators: Python's, NumPy's, PyTorch's on host and CUDA devices."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomState:
    """What every generator was about to do."""

    python: tuple[Any, ...]
    numpy: dict[str, Any]
    torch: Tensor
    cuda: list[Tensor]
    """One for each device; empty while CUDA is not in use."""


def remember_random_state() -> RandomState:
    """Return the state of all generators."""
    return RandomState(
        python=random.getstate(),
        numpy=np.random.get_state(legacy=False),
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    )


def put_back_random_state(state: RandomState) -> None:
    """Let every generator do again what it did after `state`."""
    random.setstate(state.python)
    np.random.set_state(state.numpy)
    torch.set_rng_state(state.torch)
    if state.cuda:
        torch.cuda.set_rng_state_all(state.cuda)


def to_plain(state: RandomState) -> dict[str, Any]:
    """Return the state in tensors and plain values, as a checkpoint holds it."""
    numpy = state.numpy | {
        "state": state.numpy["state"] | {"key": state.numpy["state"]["key"].tolist()}
    }
    return {"python": state.python, "numpy": numpy, "torch": state.torch, "cuda": state.cuda}


def from_plain(plain: Mapping[str, Any]) -> RandomState:
    """Return the state that `to_plain` was given; its tensors are moved to host memory, where generators want them."""
    numpy = plain["numpy"]
    key = np.array(numpy["state"]["key"], dtype=np.uint32)
    return RandomState(
        python=plain["python"],
        numpy=numpy | {"state": numpy["state"] | {"key": key}},
        torch=plain["torch"].cpu(),
        cuda=[generator.cpu() for generator in plain["cuda"]],
    )
