"""The task `digits`: 1,797 real 8x8 images of handwritten digits, which scikit-learn ships."""

import torch
from torch import nn

from esper.kasmina.hosts.cnn import CNNHost
from esper.leyline.errors import MissingExtraError
from esper.tolaria.tasks.task import Samples, Task

_NUM_CLASSES = 10
_VALIDATION_SHARE = 0.2
_SPLIT_SEED = 0


def _load_samples() -> tuple[Samples, Samples]:
    """Return training and validation samples, inputs (N, 1, 8, 8) in [0, 1], every class split in the same proportion.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ModuleNotFoundError as error:
        raise MissingExtraError("digits", package="scikit-learn") from error
    images, labels = load_digits(return_X_y=True)
    train_x, val_x, train_y, val_y = train_test_split(
        images, labels, test_size=_VALIDATION_SHARE, random_state=_SPLIT_SEED, stratify=labels
    )
    # Pixels are integers from 0 to 16.
    return tuple(  # type: ignore[return-value] # mypy does not see that there are two
        Samples(
            inputs=torch.from_numpy(x).float().div_(16.0).reshape(-1, 1, 8, 8),
            targets=torch.from_numpy(y).long(),
        )
        for x, y in ((train_x, train_y), (val_x, val_y))
    )


def _build_host() -> nn.Module:
    """Return a host that is too small for the task, so that growing pays."""
    return CNNHost(
        num_classes=_NUM_CLASSES, in_channels=1, base_channels=3, num_blocks=3, num_pools=2
    )


# The hyperparameters are the defaults of `Task`, which were chosen on this task.
DIGITS = Task(
    name="digits",
    load_samples=_load_samples,
    build_host=_build_host,
    num_classes=_NUM_CLASSES,
    num_threads=1,
)
