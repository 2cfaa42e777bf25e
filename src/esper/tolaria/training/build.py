"""Builds the detectors and the optimizer that suit a task."""

from dataclasses import replace

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from esper.tolaria.detection.detector import Detector, SigmaDetector
from esper.tolaria.detection.limits import RobustConfig
from esper.tolaria.detection.robust import RobustDetector
from esper.tolaria.tasks.task import Task
from esper.tolaria.training.run_settings import DetectorName


def build_detector(task: Task, name: DetectorName, limits: RobustConfig) -> Detector:
    """Return a new detector for one series of the task's losses; `limits` apply to the robust one."""
    guess = task.random_guess_loss
    if name == "robust":
        return RobustDetector(replace(limits, random_guess_loss=guess))
    threshold = task.absolute_loss_threshold
    return SigmaDetector(
        absolute_threshold=2 * guess if threshold is None else threshold, random_guess_loss=guess
    )


def build_optimizer(task: Task, host_parameters: list[nn.Parameter]) -> Optimizer:
    """Return a new optimizer of the task's kind for the parameters of its host."""
    groups = [{"params": host_parameters, "name": "host"}]
    rate, weight_decay = task.host_learning_rate, task.weight_decay
    # The tensors are many and small: one kernel for all of them beats one for each.
    if task.optimizer == "adamw":
        return AdamW(groups, lr=rate, weight_decay=weight_decay, foreach=True)
    return SGD(groups, lr=rate, momentum=task.momentum, weight_decay=weight_decay, foreach=True)
