"""A whole run: grow a network, save it, train the host alone for comparison, tell the result."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from esper._generated.enums import RunOutcome
from esper._generated.run import emit_run_finished, emit_run_resumed, emit_run_started
from esper.leyline.channel import TelemetryChannel
from esper.leyline.policy import GrowthPolicy
from esper.tolaria.tasks.task import Samples, Task
from esper.tolaria.training.checkpoint import Checkpoints
from esper.tolaria.training.config import TrainConfig
from esper.tolaria.training.model_file import save_model
from esper.tolaria.training.reports import RunDescription, RunResult
from esper.tolaria.training.trainer import Trainer
from esper.version import VERSION

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """Where a run goes on."""

    state: Mapping[str, Any] | None
    """What the trainer's `state_dict` returned; None to start over."""
    next_seq: int
    """Number of the next event of its log."""
    superseded_events: int
    """Events that were taken out of the log because they will happen anew."""


def run_task(
    task: Task,
    config: TrainConfig,
    samples: tuple[Samples, Samples],
    *,
    policy: GrowthPolicy,
    folder: Path,
    channel: TelemetryChannel,
    baseline_channel: TelemetryChannel | None,
    checkpoints: Checkpoints,
    place_in_log: Callable[[], Mapping[str, Any]],
    resumption: Resumption | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Train `task` on `samples` (training, validation) and leave the grown network in `folder`.

    Behind every epoch goes a checkpoint, with what `place_in_log` returns in plain values. With a `baseline_channel`
    the host is trained alone afterwards, from the same seed for as many epochs; its events go there. `should_stop`
    is asked before every step; a run that is stopped ends in order. A `resumption` goes on with an earlier run.
    """
    started = time.monotonic()
    trainer = Trainer(
        task, config, samples, policy=policy, channel=channel, should_stop=should_stop
    )
    _begin(trainer, channel, _describe(task, config, samples, trainer), resumption)

    def save_checkpoint() -> None:
        content = {"trainer": trainer.state_dict(), "log": dict(place_in_log())}
        try:
            checkpoints.save(content, epoch=trainer.epochs_completed)
        except OSError as error:
            _LOG.warning("no checkpoint after epoch %d: %s", trainer.epochs_completed, error)

    outcome, accuracy, baseline = RunOutcome.FAILED, None, None
    try:
        fitted = trainer.fit(save_checkpoint)
        accuracy = trainer.validate().accuracy
        save_model(trainer.model, folder, task=task.name)
        if fitted is RunOutcome.COMPLETED and baseline_channel is not None:
            baseline = _train_host_alone(task, config, samples, baseline_channel, should_stop)
            if baseline is None:
                fitted = RunOutcome.INTERRUPTED
        outcome = fitted
    finally:
        result = RunResult(
            outcome=outcome,
            epochs_completed=trainer.epochs_completed,
            val_accuracy=accuracy,
            baseline_accuracy=baseline,
            num_host_params=trainer.num_host_params,
            num_params=trainer.num_params,
            duration_s=time.monotonic() - started,
        )
        emit_run_finished(channel, result)
    return result


def _begin(
    trainer: Trainer,
    channel: TelemetryChannel,
    description: RunDescription,
    resumption: Resumption | None,
) -> None:
    """Tell of the start, unless the log has it already, and take up an earlier run."""
    if resumption is None or resumption.state is None:
        emit_run_started(channel, description)
    else:
        trainer.load_state_dict(resumption.state)
    if resumption is not None:
        emit_run_resumed(
            channel,
            epochs_completed=trainer.epochs_completed,
            epochs=description.epochs,
            superseded_events=resumption.superseded_events,
        )


def _train_host_alone(
    task: Task,
    config: TrainConfig,
    samples: tuple[Samples, Samples],
    channel: TelemetryChannel,
    should_stop: Callable[[], bool],
) -> float | None:
    """Return the accuracy of the host without growth or faults, in percent; None when it did not get to its end."""
    undisturbed = replace(config, faults=())
    trainer = Trainer(
        task, undisturbed, samples, policy=None, channel=channel, should_stop=should_stop
    )
    is_complete = trainer.fit() is RunOutcome.COMPLETED
    return trainer.validate().accuracy if is_complete else None


def _describe(
    task: Task, config: TrainConfig, samples: tuple[Samples, Samples], trainer: Trainer
) -> RunDescription:
    return RunDescription(
        task=task.name,
        seed=config.seed,
        epochs=config.epochs,
        device=config.device,
        num_host_params=trainer.num_host_params,
        slot_ids=tuple(trainer.slots),
        num_train=len(samples[0]),
        num_validation=len(samples[1]),
        esper_version=VERSION,
        torch_version=str(torch.__version__),
    )
