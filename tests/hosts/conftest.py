"""Makes torchvision importable, which timm, vit-pytorch and segmentation-models-pytorch import for their data sets."""

import importlib
import sys

import torch


def import_torchvision() -> None:
    """Import torchvision; beside a build of PyTorch that its compiled operators do not fit, declare them without code.

    The networks of these tests do not call them, but torchvision fails to import if they are unknown.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("nms", "qnms"):
            OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")


OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
import_torchvision()
torch.set_num_threads(1)
