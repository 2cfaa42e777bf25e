"""Connects PyTorch with the description of where a run comes from, which is written into the header of its log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from esper._generated.records import Provenance
from esper.nissa.git_state import GitState
from esper.nissa.provenance import describe_provenance


def describe_origin(
    git: GitState,
    *,
    config: Mapping[str, Any],
    seed: int | None,
    data_hashes: Mapping[str, str] | None = None,
) -> Provenance:
    """Return the provenance of a run of this process with the settings `config`; None stands for a seed that is not known.

    Call it once the network is on its device: GPUs are named only if PyTorch uses them already, since to ask for them
    would take memory and seconds.
    """
    seeds: dict[str, object] = {} if seed is None else {"run": seed}
    seeds["torch"] = torch.initial_seed()
    if "PYTHONHASHSEED" in os.environ:
        seeds["PYTHONHASHSEED"] = os.environ["PYTHONHASHSEED"]
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    return describe_provenance(
        git,
        config=config,
        seeds=seeds,
        data_hashes=data_hashes or {},
        num_threads=torch.get_num_threads(),
        accelerators=[torch.cuda.get_device_name(index) for index in gpus],
    )
