"""The loggers that `telemetry.py` compares: each writes the same twelve values with a number and the time."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from esper._generated.enums import Severity
from esper._generated.registry import VERSION
from esper._generated.run import emit_epoch_completed, emit_metrics_logged
from esper.leyline.channel import TelemetryChannel
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog

Emit = Callable[[int], object]


class Epoch:
    """A source of EPOCH_COMPLETED with constant values."""

    train_loss = 0.51
    train_accuracy = 81.5
    val_loss = 0.62
    val_accuracy = 79.25
    host_grad_norm = 1.75
    learning_rate = 0.05
    num_params = 1009
    severity = Severity.OK
    seeds = ()
    duration_s = 1.5


EPOCH = Epoch()
VALUES = {f"value_{number}": 0.1 + number for number in range(12)}


@contextmanager
def esper_log(folder: Path) -> Iterator[Emit]:
    """Emit through a hub to its run log."""
    with Hub("benchmark") as hub:
        hub.attach(RunLog(folder))
        yield emit_on(hub.channel(env_id=0))


@contextmanager
def esper_log_map(folder: Path) -> Iterator[Emit]:
    """Emit twelve values by name through a hub to its run log."""
    with Hub("benchmark") as hub:
        hub.attach(RunLog(folder))
        yield emit_metrics_on(hub.channel(env_id=0))


def emit_on(channel: TelemetryChannel) -> Emit:
    """Return a function that emits an event with twelve values."""
    return lambda step: emit_epoch_completed(channel, EPOCH)


def emit_metrics_on(channel: TelemetryChannel) -> Emit:
    """Return a function that emits twelve values by name."""
    return lambda step: emit_metrics_logged(channel, step=step, metrics=VALUES, num_left_out=0)


def values_of(step: int) -> dict[str, object]:
    """Return the twelve values, read from the source as the emission helper does."""
    return {
        "epoch": step,
        "train_loss": EPOCH.train_loss,
        "train_accuracy": EPOCH.train_accuracy,
        "val_loss": EPOCH.val_loss,
        "val_accuracy": EPOCH.val_accuracy,
        "host_grad_norm": EPOCH.host_grad_norm,
        "learning_rate": EPOCH.learning_rate,
        "num_params": EPOCH.num_params,
        "severity": EPOCH.severity.name,
        "seeds": EPOCH.seeds,
        "duration_s": EPOCH.duration_s,
        "env_id": 0,
    }


def record(step: int) -> dict[str, object]:
    """Return the line that the log writes, as a dict built by hand."""
    return {
        "seq": step,
        "t_wall_ns": time.time_ns(),
        "t_mono_ns": time.monotonic_ns(),
        "run": "benchmark",
        "rank": 0,
        "boot": "0123456789abcdef",
        "event": "EPOCH_COMPLETED",
        "v": VERSION,
        "payload": values_of(step),
    }


@contextmanager
def json_unbuffered(folder: Path) -> Iterator[Emit]:
    """Write `json.dumps` to an unbuffered file."""
    with (folder / "events.jsonl").open("wb", buffering=0) as file:
        yield lambda step: file.write(json.dumps(record(step)).encode() + b"\n")


@contextmanager
def stdlib_logging(folder: Path) -> Iterator[Emit]:
    """Log JSON with the standard library."""
    logger = logging.Logger("benchmark", level=logging.INFO)
    handler = logging.FileHandler(folder / "events.jsonl")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    yield lambda step: logger.info(json.dumps(record(step)))
    handler.close()


@contextmanager
def structlog_file(folder: Path) -> Iterator[Emit]:
    """Log JSON with structlog, to a file with line buffering."""
    import structlog

    with (folder / "events.jsonl").open("w", buffering=1) as file:
        logger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
        )
        yield lambda step: logger.info("EPOCH_COMPLETED", **values_of(step))


@contextmanager
def loguru_file(folder: Path) -> Iterator[Emit]:
    """Log JSON with loguru, serialised."""
    from loguru import logger

    logger.remove()
    number = logger.add(folder / "events.jsonl", serialize=True)
    yield lambda step: logger.bind(**values_of(step)).info("EPOCH_COMPLETED")
    logger.remove(number)


@contextmanager
def tensorboard_one(folder: Path) -> Iterator[Emit]:
    """Write one scalar with PyTorch's SummaryWriter."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:  # type: ignore[no-untyped-call]
        yield lambda step: writer.add_scalar("value_0", VALUES["value_0"], step)


@contextmanager
def tensorboard_twelve(folder: Path) -> Iterator[Emit]:
    """Write all twelve as scalars with PyTorch's SummaryWriter."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:  # type: ignore[no-untyped-call]

        def emit(step: int) -> None:
            for name, value in VALUES.items():
                writer.add_scalar(name, value, step)

        yield emit


@contextmanager
def wandb_offline(folder: Path) -> Iterator[Emit]:
    """Log to an offline run of Weights & Biases."""
    import wandb

    run = wandb.init(mode="offline", dir=str(folder), settings=wandb.Settings(silent=True))
    yield lambda step: run.log(values_of(step), step=step)
    run.finish()


@contextmanager
def otel_logs(folder: Path) -> Iterator[Emit]:
    """Emit log records of the OpenTelemetry SDK in batches to its console exporter, which writes to a file."""
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogExporter

    with (folder / "events.txt").open("w") as file:
        provider = LoggerProvider()
        provider.add_log_record_processor(BatchLogRecordProcessor(ConsoleLogExporter(out=file)))
        logger = logging.Logger("benchmark", level=logging.INFO)
        logger.addHandler(LoggingHandler(logger_provider=provider))
        yield lambda step: logger.info("EPOCH_COMPLETED", extra=values_of(step))
        provider.shutdown()


LOGGERS: dict[str, tuple[Callable[[Path], AbstractContextManager[Emit]], str | None]] = {
    "log": (esper_log, None),
    "log_map": (esper_log_map, None),
    "json": (json_unbuffered, None),
    "logging": (stdlib_logging, None),
    "structlog": (structlog_file, "structlog"),
    "loguru": (loguru_file, "loguru"),
    "tensorboard_1": (tensorboard_one, "tensorboard"),
    "tensorboard_12": (tensorboard_twelve, "tensorboard"),
    "wandb_offline": (wandb_offline, "wandb"),
    "otel": (otel_logs, "opentelemetry.sdk"),
}
"""Loggers, and the module that each needs."""
