"""Trains a task in a run folder that holds the log, checkpoints and the grown network.

Training, telemetry and the reading of logs do not know each other; they are connected here, for Python callers and for the
command line.
"""

import dataclasses
import logging
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import torch

from esper._generated.enums import RunOutcome
from esper._generated.records import Provenance
from esper.karn.run import read_story
from esper.karn.story import RunStory
from esper.leyline.arguments import check_callable, describe
from esper.leyline.errors import CheckpointError, UsageError
from esper.leyline.policy import GrowthPolicy, check_policy
from esper.leyline.text import printable, printable_message
from esper.nissa.git_state import GitState
from esper.nissa.log import LogPosition, RunLog
from esper.nissa.rewind import rewind
from esper.nissa.run_edges import read_edges
from esper.nissa.run_lock import lock_run
from esper.nissa.runs import create_run, has_events, resolve
from esper.nissa.sink import Sink
from esper.origin import describe_origin
from esper.outlets import Outlets
from esper.tolaria.tasks.registry import check_task, get_task
from esper.tolaria.tasks.task import Samples, Task, hash_samples, load_samples
from esper.tolaria.training.checkpoint import Checkpoints
from esper.tolaria.training.growth import check_policy_fits
from esper.tolaria.training.run import Resumption, train_run
from esper.tolaria.training.run_settings import (
    RunSettings,
    checked_settings,
    load_settings,
    save_settings,
)
from esper.tolaria.training.stop_request import StopRequest
from esper.tolaria.training.trainer import TRAINER_KEYS

_LOG = logging.getLogger(__name__)
_WARNINGS = logging.getLogger("esper")


def run_task(
    task: Task,
    settings: RunSettings | None = None,
    *,
    policy: GrowthPolicy | None,
    run_dir: str | Path = "runs",
    sinks: Iterable[Sink] = (),
    baseline_sinks: Iterable[Sink] = (),
    to: Iterable[str] = (),
    ship_config: str | Path | None = None,
    system_interval_s: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunStory:
    """Train `task` under the governor, let `policy` grow its network, and return the story of the run.

    The run gets a new folder in `run_dir`, `story.folder`, with the log, the settings, a checkpoint after each epoch
    and, in the end, the grown network. `load`, `read_story`, `resume_run` and the commands of `esper` take it from there:

        task = esper.register_task(
            esper.Task(name="mine", load_samples=load, build_host=build, num_classes=2)
        )
        story = esper.run_task(task, esper.RunSettings(seed=1), policy=esper.HeuristicPolicy())
        model = esper.load(story.folder)

    The first Ctrl-C, SIGTERM or SIGHUP ends the run in order, with the network saved; the signal then has its usual
    effect. The second one ends the run at once. Signals for which the program has a handler of its own are left to that
    handler, and so are all signals if this is not called in the main thread.

    Args:
        task: data, host and hyperparameters; to load or resume the run later, register it with `register_task`.
        settings: epochs, seed, device and so on; the defaults when None.
        policy: decides when to grow, keep and prune, such as `HeuristicPolicy()`; None trains the host alone.
        run_dir: the folder that holds the runs; it is made if it does not exist.
        sinks: receive the run's events in addition to the log; closed at the end.
        baseline_sinks: receive the events of the host that is trained alone for comparison, in addition to its log, which
            is that of a run of its own in the folder `baseline` of the run.
        to: tools that get the run's events from a process of their own, such as `["tensorboard"]`: see `esper ship`. Training
            neither waits for it nor fails because of it.
        ship_config: file with settings of these.
        system_interval_s: seconds between two samples of processor, memory, disk and GPUs, which a thread writes to the log; 0
            for never. None: 5 where psutil is installed, the extra `system`.
        should_stop: asked before every step; the run ends in order, to be resumed later, once it returns True.

    Raises:
        UsageError: an argument is of another type, a setting cannot be used here, `run_dir` cannot be written, or the
            policy returned something that is not a list of actions.
        CheckpointError: the state of the policy or the host holds more than tensors and plain values; the run ends with
            its first checkpoint.
        SlotError: the policy asked a slot for something that it cannot do; the log holds the run up to there.
        OSError: the grown network cannot be saved.
        KeyboardInterrupt: the user pressed Ctrl-C; the run can be resumed.
    """
    check_task(task)
    _check(policy, should_stop)
    outlets = Outlets.prepare(sinks, baseline_sinks, to, ship_config, system_interval_s)
    run_root = _path(run_dir)
    settings = checked_settings(settings).for_task(task)
    _check_device(settings.device)
    # Before the folder is made: a task that cannot load its samples must not leave an empty run.
    samples = load_samples(task)
    folder = _create_folder(run_root, settings)
    with _removed_if_empty(folder), lock_run(folder):
        _save_first_settings(settings, folder)
        _train(task, settings, samples, folder, policy, outlets, should_stop)
    return read_story(folder)


def resume_run(
    run: str | Path,
    *,
    policy: GrowthPolicy | None,
    epochs: int | None = None,
    device: str | None = None,
    run_dir: str | Path = "runs",
    sinks: Iterable[Sink] = (),
    baseline_sinks: Iterable[Sink] = (),
    to: Iterable[str] = (),
    ship_config: str | Path | None = None,
    system_interval_s: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    notify: Callable[[str], None] = _LOG.info,
) -> RunStory:
    """Continue a run from its newest checkpoint as if it had not been interrupted, and return its whole story.

    Args:
        run: the run's folder, its id, the start of its id, or `latest`.
        policy: a new policy of the same class and configuration as at the start; it loads its state from the checkpoint.
        epochs: the new number of epochs, not less than before; None keeps the old one.
        device: where to train; None keeps the old device.
        run_dir: the folder that holds the runs.
        sinks: as in `run_task`.
        baseline_sinks: as in `run_task`.
        to: as in `run_task`.
        ship_config: as in `run_task`.
        system_interval_s: as in `run_task`.
        should_stop: as in `run_task`.
        notify: called with one line for each damaged checkpoint, which the logger `esper` warns of too, and one that
            says where the run continues.

    Raises:
        RunNotFoundError: there is no such run, or it has no settings.
        UsageError: the task is not registered, no epochs are left, the folder was renamed or cannot be written, another
            process is training the run, or an argument is of another type.
        CheckpointError: no checkpoint can be read, or the newest one is of another network or policy.
        LogError: the log ends before the position that the checkpoint names.
        SlotError: the policy asked a slot for something that it cannot do; the log holds the run up to there.
        OSError: the grown network cannot be saved.
    """
    _check(policy, should_stop)
    outlets = Outlets.prepare(sinks, baseline_sinks, to, ship_config, system_interval_s)
    folder = resolve(str(run), _path(run_dir))
    _check_name(folder)
    settings = load_settings(folder).resumed(epochs=epochs, device=device)
    _check_device(settings.device)
    task = get_task(settings.task)
    samples = load_samples(task)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_run(folder))
            resumption = _rewind(folder, settings, settings.epochs_of(task), policy, notify)
            save_settings(settings, folder)
        except OSError as error:
            raise UsageError(
                f"a run must be in a folder that can be written to be resumed, got {folder} ({error.strerror});"
                " free its disk or make it writable, or copy it to another one and resume it there"
            ) from error
        _train(task, settings, samples, folder, policy, outlets, should_stop, resumption)
    return read_story(folder)


def _train(
    task: Task,
    settings: RunSettings,
    samples: tuple[Samples, ...],
    folder: Path,
    policy: GrowthPolicy | None,
    outlets: Outlets,
    should_stop: Callable[[], bool],
    resumption: Resumption | None = None,
) -> None:
    """Train with a hub and a log for the grown network, and others for the host alone."""
    first_seq = 0 if resumption is None else resumption.next_seq
    has_baseline = settings.has_baseline and policy is not None
    with (
        StopRequest(_LOG.warning, is_polite=True) as stop,
        outlets.open(folder, first_seq=first_seq, has_baseline=has_baseline) as opened,
    ):
        train_run(
            task,
            settings,
            samples,
            policy=policy,
            folder=folder,
            channel=opened.channel,
            baseline_channel=opened.baseline_channel,
            log_position=lambda: _position(opened.log),
            resumption=resumption,
            should_stop=lambda: stop.is_made() or should_stop(),
            describe_origin=lambda: _describe_origin(task, settings, samples, outlets.git),
            before_end=opened.monitor.report,
        )


def _describe_origin(
    task: Task, settings: RunSettings, samples: tuple[Samples, ...], git: GitState
) -> Provenance:
    """Return where the run comes from; its configuration has the settings, and the plain values of the task."""
    values = ((one.name, getattr(task, one.name)) for one in fields(task))
    plain = {
        f"task.{name}": value
        for name, value in values
        if isinstance(value, bool | int | float | str) and name != "name"
    }
    hashes = hash_samples(samples) if task.data_hash is None else {task.name: task.data_hash()}
    config = {**msgspec.to_builtins(settings), **plain}
    return describe_origin(git, config=config, seed=settings.seed, data_hashes=hashes)


def _position(log: RunLog) -> Mapping[str, Any]:
    """Return the position of the log, once everything before it is on the disk."""
    log.sync()
    position = log.position
    assert position is not None
    return dataclasses.asdict(position)


def _rewind(
    folder: Path,
    settings: RunSettings,
    epochs: int,
    policy: GrowthPolicy | None,
    notify: Callable[[str], None],
) -> Resumption:
    """Rewind the log to the newest undamaged checkpoint and return the point from which the run continues.

    Raises:
        CheckpointError: there are checkpoints but all are damaged, or the newest is of another policy.
        UsageError: no epochs are left to train.
        LogError: the log ends before the position that the checkpoint names.
    """
    checkpoints = Checkpoints(folder)
    content, damaged = checkpoints.load_newest(device=settings.device, check=_check_content)
    for error in damaged:
        # Names of files may hold control characters, and a log is often shown by a terminal.
        _WARNINGS.warning(
            "%s: skipped a checkpoint: %s", printable(folder.name), printable_message(str(error))
        )
        notify(f"skipped: {error}")
    if content is None and damaged:
        raise CheckpointError(
            "a run must have a checkpoint that can be read to be resumed, got only damaged ones:"
            f" {'; '.join(map(str, damaged))}; restore one from a copy, or remove all of them to start over"
        )
    if content is None:
        notify(f"{folder.name} has no checkpoint yet; it starts over.")
        return Resumption(state=None, next_seq=0, superseded_events=rewind(folder, None))
    completed = content["trainer"]["epochs_completed"]
    if completed >= epochs and read_story(folder).outcome is RunOutcome.COMPLETED:
        raise UsageError(
            f"a run must have epochs left to be resumed, got {folder.name}, which has completed all"
            f" {completed}; try `epochs={2 * completed}`"
        )
    # Before the log is rewound: a wrong policy must not cost the events after the checkpoint.
    check_policy_fits(policy, content["trainer"])
    position = LogPosition(**content["log"])
    superseded_events = rewind(folder, position)
    notify(f"{folder.name} continues after epoch {completed}.")
    return Resumption(
        state=content["trainer"], next_seq=position.next_seq, superseded_events=superseded_events
    )


def _check_content(content: Mapping[str, Any], path: Path) -> None:
    """Check that the file at `path` has the entries of a checkpoint.

    Raises:
        CheckpointError: one is missing or of another type.
    """
    expected = {"trainer": TRAINER_KEYS, "log": tuple(one.name for one in fields(LogPosition))}
    for name, keys in expected.items():
        part = content.get(name)
        missing = (
            keys if not isinstance(part, Mapping) else [key for key in keys if key not in part]
        )
        if missing:
            raise CheckpointError(
                f"{path} must have all entries of a checkpoint, got a file without {name}.{missing[0]};"
                " an older checkpoint may be whole"
            )


def _check_name(folder: Path) -> None:
    """Check that the folder still has the name under which its log was written: the name is the run's id.

    Raises:
        UsageError: it was renamed.
        LogError: the log cannot be read.
    """
    events = read_edges(folder).first
    if events and events[0].run != folder.resolve().name:
        raise UsageError(
            f"a run must have its id as its folder's name to be resumed, got {folder.name} for the run"
            f" {events[0].run}; rename the folder back"
        )


def _create_folder(run_dir: Path, settings: RunSettings) -> Path:
    try:
        return create_run(run_dir, task=settings.task, seed=settings.seed)
    except (OSError, ValueError) as error:
        raise _cannot_write(run_dir, error) from error


def _save_first_settings(settings: RunSettings, folder: Path) -> None:
    try:
        save_settings(settings, folder)
    except OSError as error:
        raise _cannot_write(folder.parent, error) from error


def _cannot_write(run_dir: Path, error: OSError | ValueError) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(
        f"`run_dir` must be a folder that can be written, got {run_dir} ({reason}); name another one"
    )


@contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """Remove the new run's `folder` if the block fails before the first event is on the disk, so that it is not `latest`."""
    try:
        yield
    except BaseException:
        if not has_events(folder) and not Checkpoints(folder).paths():
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _check(policy: object, should_stop: object) -> None:
    """Check the arguments that starting and resuming share.

    Raises:
        UsageError: `policy` is not a policy, or `should_stop` is not a function.
    """
    check_policy(policy)
    check_callable("`should_stop`", should_stop, error=UsageError)


def _path(run_dir: object) -> Path:
    if not isinstance(run_dir, str | Path):
        raise UsageError(f"`run_dir` must be a path, got {describe(run_dir)}; name a folder")
    return Path(run_dir)


def _check_device(name: str) -> None:
    """Check that tensors can be made and read on the device called `name`.

    Raises:
        UsageError: they cannot.
    """
    try:
        with warnings.catch_warnings():
            # PyTorch warns about device types that it will remove.
            warnings.simplefilter("ignore")
            # Tensors on the device `meta` can be made, but have no values.
            torch.zeros(1, device=name).item()
    # PyTorch raises many types: AssertionError without CUDA, ImportError for a plug-in that is not installed.
    except (RuntimeError, AssertionError, ImportError, ValueError, TypeError) as error:
        raise UsageError(
            f'`device` must be usable here, got "{name}" ({_first_sentence(error)}); try cpu'
        ) from None


def _first_sentence(error: Exception) -> str:
    """Return the first sentence of an error of PyTorch, whose further ones are about building PyTorch."""
    line = str(error).partition("\n")[0]
    return line.partition(". ")[0].strip() or type(error).__name__
