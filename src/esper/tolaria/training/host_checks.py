"""Checks of a task's host that turn errors of PyTorch within the training loop into errors about the task."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from esper.leyline.errors import UsageError
from esper.tolaria.tasks.task import Samples, Task


def check_learns(host: nn.Module, task: Task) -> None:
    """Check that `host`, with the seeds that it may hold, has parameters that learn.

    Raises:
        UsageError: all are frozen, or there are none.
    """
    if not any(parameter.requires_grad for parameter in host.parameters()):
        num_params = sum(parameter.numel() for parameter in host.parameters())
        raise UsageError(
            f"the host of task {task.name!r} must have parameters that learn, got {num_params:,} that are all frozen; leave at"
            " least its last layer with requires_grad_(True)"
        )


@contextmanager
def explained_norms(batch: Samples, task: Task) -> Iterator[None]:
    """Explain the error of a batch norm that got one sample, which has no variance.

    Raises:
        UsageError: the host has such a norm, and `batch` has one sample.
    """
    try:
        yield
    except ValueError as error:
        if len(batch) > 1 or "more than 1 value per channel" not in str(error):
            raise
        raise UsageError(
            f"every batch must have at least 2 samples, since the host of task {task.name!r} has batch norms, got one of 1 sample with"
            f" batch_size={task.batch_size}; choose a batch_size that leaves no single sample, or leave one sample out"
        ) from error
