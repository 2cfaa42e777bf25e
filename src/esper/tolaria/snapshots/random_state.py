"""Saves and restores the random generators of the process: Python's, NumPy's, PyTorch's on host and CUDA devices."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def random_state_dict() -> dict[str, Any]:
    """Return the state of all generators in tensors and plain values; `cuda` is empty while CUDA is not in use."""
    numpy = np.random.get_state(legacy=False)
    return {
        "python": random.getstate(),
        "numpy": numpy | {"state": numpy["state"] | {"key": numpy["state"]["key"].tolist()}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def load_random_state_dict(state: Mapping[str, Any]) -> None:
    """Restore what `random_state_dict` returned, so that every generator draws the same numbers again."""
    numpy = state["numpy"]
    key = np.array(numpy["state"]["key"], dtype=np.uint32)
    random.setstate(state["python"])
    np.random.set_state(numpy | {"state": numpy["state"] | {"key": key}})
    # A checkpoint may have been loaded onto a device; generators take their state from host memory.
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"]:
        torch.cuda.set_rng_state_all([generator.cpu() for generator in state["cuda"]])
