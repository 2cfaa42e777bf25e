"""A run whose training loop is the user's own: a folder, a log, and a channel for the governor and slots.

Training, telemetry and the folders of runs do not know each other; they are connected here.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, SupportsFloat, SupportsIndex, final
from weakref import WeakSet

from torch import nn

from esper._generated.enums import RunOutcome
from esper._generated.records import Provenance, SeedStatus
from esper._generated.run import (
    emit_loop_epoch_completed,
    emit_loop_started,
)
from esper.kasmina.graft import find_slots
from esper.leyline.arguments import instance_of
from esper.leyline.errors import UsageError
from esper.leyline.failure import Failure, describe_end
from esper.leyline.numbers import to_int, to_numbers, to_optional_number, to_percent, to_rate
from esper.nissa.config_file import encode_config, save_config
from esper.nissa.git_state import GitState
from esper.nissa.hub import Hub
from esper.nissa.joining import HubHandle
from esper.nissa.log import RunLog
from esper.nissa.metrics import MetricsLogger, check_rate
from esper.nissa.monitor import Monitor, check_interval
from esper.nissa.provenance import check_hashes
from esper.nissa.runs import DEFAULT_NAME, check_name, check_root, create_own_run, not_writable
from esper.nissa.shipping.launch import prepare_shipping
from esper.nissa.sink import Sink, check_sinks
from esper.nissa.sinks.verdicts import VerdictSink
from esper.origin import describe_origin
from esper.tolaria.training.growth import slot_status
from esper.tolaria.training.loop_description import count_parameters, describe_loop
from esper.tolaria.training.reports import LoopDescription, LoopEpochReport, RunResult, emit_result


def start_run(
    dir: str | Path = "runs",  # noqa: A002 - the word that other loggers use
    name: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    data_hashes: Mapping[str, str] | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    model: nn.Module | None = None,
    sinks: Iterable[Sink] = (),
    to: Iterable[str] = (),
    ship_config: str | Path | None = None,
    max_logs_per_s: float | None = 10.0,
    system_interval_s: float | None = None,
) -> Run:
    """Start a run of your own training loop: make its folder and its log, and report the start.

    Use it as a `with` block, which reports the end of the run and its reason, also after an exception:

        with esper.start_run(config={"lr": 0.1}, epochs=10, model=model) as run:
            governor = esper.TolariaGovernor(model, optimizers=[optimizer], channel=run.channel)
            for epoch in range(1, 11):
                ...
                run.log(step=step, loss=loss)
                run.epoch(epoch, val_accuracy=accuracy)

    `esper summary`, `esper runs`, `read_run` and `read_story` read the run, also while it goes on. Nothing is seeded or
    moved: what is given here about the loop is only written down.

    Args:
        dir: the folder that holds the runs; it is made if it does not exist.
        name: name of the run and of its folder, which must not exist yet; None makes a new one from the time.
        config: the loop's settings, plain values by name; they are written to `config.json` in the folder.
        data_hashes: hashes of the data by name, such as `{"train": sha256}`; the header of the log has them.
        seed: seed of the random choices.
        epochs: number of epochs that are planned.
        model: the network. With it the run reports parameters, device, and the slots at the end of each epoch.
        sinks: receive the run's events in addition to the log; closed at the end.
        to: tools that get the events from a process of their own, such as `["tensorboard"]`: see `esper ship`.
        ship_config: file with settings of these.
        max_logs_per_s: most calls of `Run.log` a second that are written, for each set of names; None writes all.
        system_interval_s: seconds between two samples of processor, memory, disk and GPUs, which a thread writes to the log; 0
            for never. None: 5 where psutil is installed, the extra `system`.

    Raises:
        UsageError: the name is taken or cannot be used, an argument is of another type or out of range, `config` holds
            something else than plain values, or `dir` cannot be written.
        LogError: the folder of the log cannot be made.
    """
    root = check_root(dir)
    if name is not None:
        check_name(name)
    seed = None if seed is None else to_int("seed", seed)
    epochs = None if epochs is None else to_int("epochs", epochs)
    if epochs == 0:
        raise UsageError("epochs must be at least 1, got 0; leave it out if it is not known")
    max_logs_per_s = check_rate(max_logs_per_s)
    interval_s = check_interval(system_interval_s)
    hashes = check_hashes(data_hashes)
    git = GitState()
    if model is not None:
        instance_of("model", model, nn.Module, "pass the network", error=UsageError)
    checked_sinks = check_sinks(sinks)
    shipping = prepare_shipping(to, ship_config)
    folder = _make_folder(root, name, seed=seed, config=config)
    hub = Hub(folder.name)
    log = hub.attach(RunLog(folder))
    shipping.start(folder)
    for sink in checked_sinks:
        hub.attach(sink)
    description = describe_loop(name or DEFAULT_NAME, seed=seed, epochs=epochs, model=model)
    return Run(
        folder,
        hub,
        log,
        description,
        describe_origin(git, config=config or {}, seed=seed, data_hashes=hashes),
        model=model,
        max_logs_per_s=max_logs_per_s,
        system_interval_s=interval_s,
    )


def _make_folder(
    root: Path, name: str | None, *, seed: int | None, config: Mapping[str, Any] | None
) -> Path:
    """Create the folder of a run, with its config, and return it."""
    content = None if config is None else encode_config(config)
    folder = create_own_run(root, name, seed=seed)
    if content is not None:
        try:
            save_config(content, folder)
        except OSError as error:
            raise not_writable(root, error) from error
    return folder


@final
class Run:
    """A run of the user's own training loop; made by `start_run`.

    Leave its `with` block, or call `finish`, at the end. A block that ends by an exception reports its class, message and
    place, and the exception goes on. A run that is still going on when the interpreter exits ends then: failed if an
    exception ends the program, interrupted otherwise.

    Attributes:
        folder: the run's folder; its name is the run's id.
        channel: pass it to the governor and to slots, which then report to the run's log.
        epochs_completed: number of the newest epoch that was completed; 0 before the first.
    """

    def __init__(
        self,
        folder: Path,
        hub: Hub,
        log: RunLog,
        description: LoopDescription,
        provenance: Provenance,
        *,
        model: nn.Module | None,
        max_logs_per_s: float | None,
        system_interval_s: float,
    ) -> None:
        """Report the start on `hub`, which the run closes at its end; call `start_run` instead."""
        self.folder = folder
        self.channel = hub.channel(env_id=0)
        self.epochs_completed = 0
        self._hub = hub
        self._pid = os.getpid()
        self._verdicts = hub.attach(VerdictSink())
        self._metrics = MetricsLogger(self.channel, max_per_s=max_logs_per_s)
        self._model = model
        self._num_host_params = description.num_host_params
        self._val_accuracy: float | None = None
        self._first_epoch: int | None = None
        self._started = self._epoch_started = time.monotonic()
        self._is_entered = False
        self._is_finished = False
        _RUNS.add(self)
        emit_loop_started(self.channel, description, provenance=provenance)
        self.channel.advance(epoch=1)
        self._monitor = Monitor(hub, log, self.channel, interval_s=system_interval_s)

    def __enter__(self) -> Self:
        self._check_running()
        if self._is_entered:
            raise UsageError(
                f"a run must be entered once, got {self.folder.name} again; start another with start_run"
            )
        self._is_entered = True
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._end_once(error)

    def log(self, /, *, step: SupportsIndex | None = None, **metrics: SupportsFloat) -> None:
        """Write metrics of your own, by name: `run.log(step=step, loss=loss, lr=lr)`.

        A metric is a number, NaN included, or a tensor or array with one element, which is converted at once: the call
        then waits until its device has computed the value.

        At most `max_logs_per_s` calls a second are written for each set of names (see `start_run`). The others are left
        out and counted in the next event, but the last call before the end of an epoch or of the run is always written.

        Raises:
            UsageError: the run has ended, a metric is not one number, or there are none or too many.
        """
        self._check_running()
        if not metrics:
            raise UsageError("log must be given a metric, got nothing; try run.log(loss=loss)")
        self._metrics.log(to_numbers(metrics), step=None if step is None else to_int("step", step))

    def epoch(
        self,
        /,
        epoch: SupportsIndex | None = None,
        *,
        train_loss: SupportsFloat | None = None,
        train_accuracy: SupportsFloat | None = None,
        val_loss: SupportsFloat | None = None,
        val_accuracy: SupportsFloat | None = None,
        learning_rate: SupportsFloat | None = None,
        **metrics: SupportsFloat,
    ) -> None:
        """Report the end of an epoch; every later event belongs to the next one.

        Values are converted as in `log`; None means that the loop has not measured a value. Accuracies are in percent,
        0 to 100. Further values go into `metrics` by name.

        Args:
            epoch: number of the epoch; by default the next one. A loop whose first epoch is 0 may pass that: the log
                counts from 1.
            train_loss: loss on the training set.
            train_accuracy: accuracy on it.
            val_loss: loss on the validation set.
            val_accuracy: accuracy on it; that of the newest epoch is the result of the run.
            learning_rate: learning rate of the optimizer.

        Raises:
            UsageError: the run has ended, the epoch does not come after the last one, or a value is out of range or not
                one number.
        """
        self._check_running()
        number = self._next_epoch(None if epoch is None else to_int("epoch", epoch))
        report = LoopEpochReport(
            train_loss=to_optional_number("train_loss", train_loss),
            train_accuracy=to_percent("train_accuracy", train_accuracy),
            val_loss=to_optional_number("val_loss", val_loss),
            val_accuracy=to_percent("val_accuracy", val_accuracy),
            learning_rate=to_rate("learning_rate", learning_rate),
            metrics=to_numbers(metrics),
            num_params=count_parameters(self._model),
            severity=self._verdicts.take_worst(),
            seeds=self._seeds(),
            duration_s=time.monotonic() - self._epoch_started,
        )
        self.channel.advance(epoch=number)
        self._metrics.flush()
        emit_loop_epoch_completed(self.channel, report)
        self._epoch_started = time.monotonic()
        self.epochs_completed = number
        if report.val_accuracy is not None:
            self._val_accuracy = report.val_accuracy
        self.channel.advance(epoch=number + 1)

    def handle(self) -> HubHandle:
        """Return the value that another process of the run passes to `Hub.join`; it can be pickled.

            multiprocessing.get_context("spawn").Process(target=work, args=(run.handle(),))

        Raises:
            UsageError: the run has ended, or belongs to another process.
        """
        self._check_running()
        return self._hub.handle()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a run belongs to one process; pass run.handle() to the other one, and call Hub.join(handle) there"
        )

    def finish(self) -> None:
        """Report the end of the run and close its log, where there is no `with` block; further calls do nothing.

        Raises:
            UsageError: called in a forked child.
        """
        if not self._is_finished:
            self._check_running()
            self._end(None)

    def _end_once(self, error: BaseException | None) -> None:
        # A forked child that leaves the block, or exits, must not end the run of its parent.
        if not self._is_finished and os.getpid() == self._pid:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._is_finished = True
        outcome, failure = (RunOutcome.COMPLETED, None) if error is None else describe_end(error)
        if self._verdicts.is_stopped and failure is None:
            outcome = RunOutcome.STOPPED
        self._metrics.flush()
        if outcome is RunOutcome.COMPLETED and self.epochs_completed:
            self.channel.advance(epoch=self.epochs_completed)
        self._monitor.report()
        emit_result(self.channel, self._result(outcome, failure))
        self._hub.close()

    def _result(self, outcome: RunOutcome, failure: Failure | None) -> RunResult:
        return RunResult(
            outcome=outcome,
            epochs_completed=self.epochs_completed,
            val_accuracy=self._val_accuracy,
            baseline_accuracy=None,
            # The contract of RUN_FINISHED has no null for these; LOOP_STARTED says that 0 stands for it.
            num_host_params=self._num_host_params or 0,
            num_params=count_parameters(self._model) or 0,
            duration_s=time.monotonic() - self._started,
            failure=failure,
        )

    def _seeds(self) -> tuple[SeedStatus, ...]:
        slots = {} if self._model is None else find_slots(self._model)
        return tuple(slot_status(slot) for slot in slots.values() if not slot.is_empty)

    def _next_epoch(self, epoch: int | None) -> int:
        """Return the number, from 1, of the epoch that the loop calls `epoch`."""
        if epoch is None:
            return self.epochs_completed + 1
        if self._first_epoch is None:
            self._first_epoch = epoch
        number = epoch + 1 if self._first_epoch == 0 else epoch
        if number <= self.epochs_completed or number < 1:
            raise UsageError(
                f"an epoch must come after the last one, got {epoch} after {self.epochs_completed} completed epochs;"
                " leave the number out to count on"
            )
        return number

    def _check_running(self) -> None:
        """Check that the run has not ended and belongs to this process.

        Raises:
            UsageError: it has ended, or this is a forked child.
        """
        if self._is_finished:
            raise UsageError(
                f"a run must not be used after its end, but {self.folder.name} has ended; start another with start_run"
            )
        if os.getpid() != self._pid:
            raise UsageError(
                f"a run must be used by the process that started it, but {self.folder.name} was started by process"
                f" {self._pid}; return the values to it, or start another run here"
            )


_RUNS: WeakSet[Run] = WeakSet()
"""The runs of this process; the exit of the interpreter ends those that go on."""


def _end_all() -> None:
    # The exception that ends the program; in an interactive session it may be an old one.
    error = None if "ps1" in vars(sys) else vars(sys).get("last_value")
    for run in list(_RUNS):
        run._end_once(SystemExit() if error is None else error)


# Called before the hubs close, since the hub's module, which is imported above, has registered its function earlier.
atexit.register(_end_all)
