"""The detectors that a task's governor judges by."""

import math
from dataclasses import replace

from esper.tolaria.detection.detector import Detector, SigmaDetector
from esper.tolaria.detection.robust import RobustConfig, RobustDetector
from esper.tolaria.tasks.task import Task
from esper.tolaria.training.config import DetectorName


def build_detector(task: Task, name: DetectorName, limits: RobustConfig) -> Detector:
    """Return a fresh detector for one series of the task's losses; `limits` are for the robust one."""
    random_guess_loss = math.log(task.num_classes)
    if name == "robust":
        return RobustDetector(replace(limits, random_guess_loss=random_guess_loss))
    return SigmaDetector(
        absolute_threshold=task.absolute_loss_threshold, random_guess_loss=random_guess_loss
    )
