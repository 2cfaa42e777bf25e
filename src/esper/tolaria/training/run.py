"""A whole run: trains and grows a network, saves it, trains the host alone for comparison, and reports the result."""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn

from esper._generated.enums import RunOutcome
from esper._generated.records import Provenance
from esper._generated.run import emit_run_resumed, emit_run_started
from esper.leyline.channel import TelemetryChannel
from esper.leyline.failure import describe_end
from esper.leyline.policy import GrowthPolicy
from esper.leyline.text import printable_message
from esper.tolaria.snapshots.random_state import load_random_state_dict, random_state_dict
from esper.tolaria.tasks.task import Samples, Task, build_another_host
from esper.tolaria.training.checkpoint import NO_SPACE, Checkpoints
from esper.tolaria.training.metrics import Evaluation
from esper.tolaria.training.model_file import FILE_NAME as MODEL_FILE
from esper.tolaria.training.model_file import save_model
from esper.tolaria.training.reports import RunDescription, RunResult, emit_result
from esper.tolaria.training.run_settings import FILE_NAME as SETTINGS_FILE
from esper.tolaria.training.run_settings import RunSettings, save_settings
from esper.tolaria.training.trainer import Trainer
from esper.version import VERSION

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """The point from which an interrupted run is resumed."""

    state: Mapping[str, Any] | None
    """The result of the trainer's `state_dict`; None to start over."""
    next_seq: int
    """Sequence number of the log's next event."""
    superseded_events: int
    """Events that were removed from the log because they will happen again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """A network on the validation and the test samples; None where it was not measured."""

    validation: Evaluation | None = None
    test: Evaluation | None = None

    @property
    def val_loss(self) -> float | None:
        return None if self.validation is None else self.validation.loss

    @property
    def val_accuracy(self) -> float | None:
        return None if self.validation is None else self.validation.accuracy


_NOT_SCORED = _Scores()


def train_run(
    task: Task,
    settings: RunSettings,
    samples: tuple[Samples, ...],
    *,
    policy: GrowthPolicy | None,
    folder: Path,
    channel: TelemetryChannel,
    baseline_channel: TelemetryChannel,
    log_position: Callable[[], Mapping[str, Any]],
    resumption: Resumption | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    describe_origin: Callable[[], Provenance | None] = lambda: None,
    before_end: Callable[[], None] = lambda: None,
) -> RunResult:
    """Train `task` on `samples` (training, validation, test) and leave the grown network in `folder`.

    After every epoch a checkpoint is saved, with the plain values that `log_position` returns. If there is a policy and
    the settings ask for a baseline, the host is then trained alone, from the same seed and for as many epochs; its
    events go to `baseline_channel`, as those of a run. The test samples, if there are any, are used once, when training has
    ended. `should_stop` is asked before every step; once it returns True the run ends in order, with the network saved. With
    a `resumption` an earlier run is continued. `describe_origin` is called when the network is on its device, for the report
    of the start, and `before_end` before the end is reported.

    Raises:
        CheckpointError: the resumption's state belongs to another network.
        OSError: the network cannot be saved.
        SlotError: the policy asked a slot for something that it cannot do.
        UsageError: the host alone shall be trained too, and the task builds the same host twice.
    """
    started = time.monotonic()
    trainer = Trainer(
        task, settings, samples, policy=policy, channel=channel, should_stop=should_stop
    )
    checkpoints = Checkpoints(folder, keep=settings.num_checkpoints)
    save = partial(_save_checkpoint, trainer, checkpoints, log_position, folder, settings)
    outcome, failure = RunOutcome.FAILED, None
    grown, host = _NOT_SCORED, _NOT_SCORED
    try:
        provenance = describe_origin()
        description = _describe(task, settings, samples, trainer)
        _begin(trainer, channel, description, provenance, resumption)
        if settings.has_baseline and policy is not None:
            _check_baseline(task, trainer.model)
        fitted = trainer.fit(save)
        grown = _score(trainer, fitted)
        _restore_folder(folder, settings)
        _save_network(trainer.model, folder, task, checkpoints)
        if fitted is RunOutcome.COMPLETED and settings.has_baseline and policy is not None:
            host = _train_host_alone(
                task, settings, samples, baseline_channel, should_stop, provenance
            )
            if host.validation is None:
                fitted = RunOutcome.INTERRUPTED
        outcome = fitted
    except BaseException as error:
        outcome, failure = describe_end(error)
        raise
    finally:
        result = RunResult(
            outcome=outcome,
            epochs_completed=trainer.epochs_completed,
            val_accuracy=grown.val_accuracy,
            baseline_accuracy=host.val_accuracy,
            num_host_params=trainer.num_host_params,
            num_params=trainer.num_params,
            duration_s=time.monotonic() - started,
            val_loss=grown.val_loss,
            baseline_loss=host.val_loss,
            test=grown.test,
            baseline_test=host.test,
            failure=failure,
            **trainer.cost.reported,
        )
        before_end()
        emit_result(channel, result)
    return result


def _save_checkpoint(
    trainer: Trainer,
    checkpoints: Checkpoints,
    log_position: Callable[[], Mapping[str, Any]],
    folder: Path,
    settings: RunSettings,
) -> None:
    """Save the state of `trainer`; warn if that is impossible, since the run is worth more than one of its checkpoints."""
    _restore_folder(folder, settings)
    content = {"trainer": trainer.state_dict(), "log": dict(log_position())}
    try:
        checkpoints.save(content, epoch=trainer.epochs_completed)
    except OSError as error:
        _LOG.warning(
            "no checkpoint after epoch %d: %s",
            trainer.epochs_completed,
            printable_message(str(error)),
        )


def _save_network(model: nn.Module, folder: Path, task: Task, checkpoints: Checkpoints) -> None:
    """Save the network in the run's `folder`; if that is impossible, save it elsewhere and say where.

    On a full disk older checkpoints are removed first: they are worth less than the network.

    Raises:
        OSError: the network cannot be saved anywhere.
    """
    try:
        try:
            save_model(model, folder, task=task.name)
        except OSError as error:
            if error.errno not in NO_SPACE or not checkpoints.free_space():
                raise
            save_model(model, folder, task=task.name)
    except OSError as error:
        try:
            elsewhere = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
            save_model(model, elsewhere, task=task.name)
        except OSError:
            raise error from None
        _LOG.warning(
            "the network cannot be saved in %a (%s); it is in %a, move it to that folder when this is possible",
            str(folder),
            error.strerror,
            str(elsewhere / MODEL_FILE),
        )


def _restore_folder(folder: Path, settings: RunSettings) -> None:
    """Make the run's folder again, with its settings, if it was deleted while the run trains, and say so.

    What it held is lost, but the next checkpoint and the grown network are not.
    """
    if (folder / SETTINGS_FILE).exists():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_settings(settings, folder)
    except OSError as error:
        _LOG.warning(
            "the run's folder %a is gone and cannot be made again: %s",
            str(folder),
            printable_message(str(error)),
        )
    else:
        _LOG.warning(
            "the run's folder %a was deleted while the run trains; it has been made again, but what it held is lost",
            str(folder),
        )


def _begin(
    trainer: Trainer,
    channel: TelemetryChannel,
    description: RunDescription,
    provenance: Provenance | None,
    resumption: Resumption | None,
) -> None:
    """Load the state of an earlier run, if there is one, and report the start or the resumption."""
    if resumption is None or resumption.state is None:
        _report_start(channel, description, provenance)
    else:
        trainer.load_state_dict(resumption.state)
    if resumption is not None:
        emit_run_resumed(
            channel,
            epochs_completed=trainer.epochs_completed,
            epochs=description.epochs,
            superseded_events=resumption.superseded_events,
            provenance=provenance,
        )


def _report_start(
    channel: TelemetryChannel, description: RunDescription, provenance: Provenance | None
) -> None:
    emit_run_started(
        channel,
        description,
        num_test=description.num_test,
        metric=description.metric,
        provenance=provenance,
    )


def _check_baseline(task: Task, grown: nn.Module) -> None:
    """Check that the host alone will be another network than `grown`; random generators are left as they were.

    Raises:
        UsageError: it will not.
    """
    before = random_state_dict()
    try:
        build_another_host(task, grown)
    finally:
        load_random_state_dict(before)


def _train_host_alone(
    task: Task,
    settings: RunSettings,
    samples: tuple[Samples, ...],
    channel: TelemetryChannel,
    should_stop: Callable[[], bool],
    provenance: Provenance | None,
) -> _Scores:
    """Return the scores of the host trained without growth or faults; those of nothing if training did not finish.

    Its events go to `channel`, from RUN_STARTED to RUN_FINISHED.
    """
    started = time.monotonic()
    without_faults = msgspec.structs.replace(settings, faults=())
    trainer = Trainer(
        task, without_faults, samples, policy=None, channel=channel, should_stop=should_stop
    )
    _report_start(channel, _describe(task, without_faults, samples, trainer), provenance)
    outcome, failure, scores = RunOutcome.FAILED, None, _NOT_SCORED
    try:
        outcome = trainer.fit()
        if outcome is RunOutcome.COMPLETED:
            scores = _score(trainer, outcome)
    except BaseException as error:
        outcome, failure = describe_end(error)
        raise
    finally:
        result = RunResult(
            outcome=outcome,
            epochs_completed=trainer.epochs_completed,
            val_accuracy=scores.val_accuracy,
            baseline_accuracy=None,
            num_host_params=trainer.num_host_params,
            num_params=trainer.num_params,
            duration_s=time.monotonic() - started,
            val_loss=scores.val_loss,
            test=scores.test,
            failure=failure,
            **trainer.cost.reported,
        )
        emit_result(channel, result)
    return scores


def _score(trainer: Trainer, outcome: RunOutcome) -> _Scores:
    """Score the network; a run that was interrupted may be resumed, so that its test waits."""
    is_final = trainer.has_test and outcome is not RunOutcome.INTERRUPTED
    return _Scores(validation=trainer.validate(), test=trainer.test() if is_final else None)


def _describe(
    task: Task, settings: RunSettings, samples: tuple[Samples, ...], trainer: Trainer
) -> RunDescription:
    return RunDescription(
        task=task.name,
        seed=settings.seed,
        epochs=settings.epochs_of(task),
        device=settings.device,
        num_host_params=trainer.num_host_params,
        slot_ids=tuple(trainer.slots),
        num_train=len(samples[0]),
        num_validation=len(samples[1]),
        num_test=len(samples[2]) if len(samples) > 2 else None,
        metric=task.objective.metric,
        esper_version=VERSION,
        torch_version=str(torch.__version__),
    )
