"""Collects the curves in the events of one process: losses, metrics, values per epoch, samples of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple, final

from esper._generated.envelope import Envelope
from esper._generated.records import GpuSample
from esper._generated.run import (
    EpochCompletedPayload,
    LoopEpochCompletedPayload,
    MetricsLoggedPayload,
)
from esper._generated.system import SystemSampledPayload
from esper.karn.series import Axis, Series, SeriesBuilder, build_series

Group = Literal["losses", "metric_series", "learning_rates", "epoch_values", "system"]
"""The mapping of a story in which a curve is."""

_MAX_METRICS: Final = 1000
"""Names of logged metrics of which a process has a curve."""

_EPOCH_GROUPS: Final[dict[str, Group]] = {
    "train_loss": "losses",
    "val_loss": "losses",
    "train_accuracy": "metric_series",
    "val_accuracy": "metric_series",
    "learning_rate": "learning_rates",
    "num_params": "epoch_values",
    "duration_s": "epoch_values",
    "severity": "epoch_values",
    "host_grad_norm": "epoch_values",
}
"""The values of an epoch, in the order of `add_epoch`, and the mappings of a story that their curves are in."""


class Curve(NamedTuple):
    """The identity of a curve of one process."""

    group: Group
    name: str
    axis: Axis
    event: str
    field: str
    env_id: int


@final
class CurvesBuilder:
    """Collects the points of the curves of one process.

    Attributes:
        curves: the points by curve.
        num_calls: number of METRICS_LOGGED events.
        metrics: the curves of logged metrics by event, name and environment.
    """

    def __init__(self) -> None:
        """Start without points."""
        self.curves: dict[Curve, SeriesBuilder] = {}
        self.num_calls = 0
        self.metrics: dict[tuple[str, str, int], SeriesBuilder] = {}
        self._epochs: dict[tuple[str, int], list[SeriesBuilder]] = {}
        """The curves of the values of an epoch by event and environment, in the order of `_EPOCH_GROUPS`."""

    def add_epoch(
        self, envelope: Envelope, payload: EpochCompletedPayload | LoopEpochCompletedPayload
    ) -> None:
        """Add the values of a completed epoch."""
        event = payload.EVENT
        env_id = _known_env(payload.env_id)
        builders = self._epochs.get((event, env_id))
        if builders is None:
            builders = self._epochs[event, env_id] = [
                self._find(Curve(group, name, "epoch", event, name, env_id))
                for name, group in _EPOCH_GROUPS.items()
            ]
        values = (
            payload.train_loss,
            payload.val_loss,
            payload.train_accuracy,
            payload.val_accuracy,
            payload.learning_rate,
            payload.num_params,
            payload.duration_s,
            payload.severity,
            payload.host_grad_norm if isinstance(payload, EpochCompletedPayload) else None,
        )
        epoch = envelope.epoch or 0
        for builder, value in zip(builders, values, strict=True):
            if value is not None:
                builder.add(epoch, value)
        if isinstance(payload, LoopEpochCompletedPayload):
            for name, metric in (payload.metrics or {}).items():
                self._add_metric("epoch", event, name, env_id, epoch, metric)

    def add_metrics(self, envelope: Envelope, payload: MetricsLoggedPayload) -> None:
        """Add logged metrics; without a step, x is the number of the call, from 0."""
        step = self.num_calls if payload.step is None else payload.step
        self.num_calls += 1
        env_id = _known_env(payload.env_id)
        for name, value in (payload.metrics or {}).items():
            self._add_metric("step", "METRICS_LOGGED", name, env_id, step, value)

    def add_sample(self, envelope: Envelope, payload: SystemSampledPayload) -> None:
        """Add a sample of the machine."""
        time_ns = envelope.t_wall_ns
        values: dict[str, float | None] = {
            "cpu_utilization": payload.cpu_utilization,
            "process_cpus": payload.process_cpus,
            "process_memory_bytes": payload.process_memory_bytes,
            "num_process_threads": payload.num_process_threads,
            "memory_used_bytes": payload.memory_used_bytes,
            "disk_free_bytes": payload.disk_free_bytes,
        }
        for name, value in values.items():
            self._add_system(name, name, time_ns, value)
        for gpu in payload.gpus or ():
            for name, value in _gpu_values(gpu).items():
                self._add_system(f"gpu {gpu.gpu} {name}", f"gpus.{name}", time_ns, value)

    def _add_system(self, name: str, field: str, time_ns: int, value: float | None) -> None:
        if value is not None:
            curve = Curve("system", name, "time", "SYSTEM_SAMPLED", field, -1)
            self._find(curve).add(time_ns, value)

    def _add_metric(
        self, axis: Axis, event: str, name: str, env_id: int, x: int, value: float | None
    ) -> None:
        builder = self.metrics.get((event, name, env_id))
        if builder is None:
            if len(self.metrics) >= _MAX_METRICS:
                return
            group: Group = "losses" if "loss" in name.lower() else "metric_series"
            builder = self._find(Curve(group, name, axis, event, "metrics", env_id))
            self.metrics[event, name, env_id] = builder
        if value is not None:
            builder.add(x, value)

    def _find(self, curve: Curve) -> SeriesBuilder:
        builder = self.curves.get(curve)
        if builder is None:
            builder = self.curves[curve] = SeriesBuilder()
        return builder


def build_curves(writers: Sequence[tuple[int, CurvesBuilder]], group: Group) -> dict[str, Series]:
    """Return the curves of a group by the names of a story, those of several processes of a rank joined.

    Args:
        writers: rank and curves of each process, in the order in which they are read.
        group: the mapping of the story.
    """
    parts: dict[tuple[Curve, int], list[SeriesBuilder]] = {}
    for rank, curves in writers:
        for curve, builder in curves.curves.items():
            if curve.group == group and builder.num_points:
                parts.setdefault((curve, rank), []).append(builder)
    named: dict[str, Series] = {}
    for (curve, rank), builders in sorted(parts.items(), key=_order(parts)):
        name = _choose_name(curve, rank, named)
        named[name] = build_series(
            builders,
            name=curve.name,
            axis=curve.axis,
            event=curve.event,
            field=curve.field,
            rank=rank,
            env_id=curve.env_id,
        )
    return named


def _order(parts: Iterable[tuple[Curve, int]]) -> Callable[..., tuple[int, int, int, bool]]:
    """Return a sort key: by the first appearance of the name; within it the one that gets the plain name comes first."""
    places: dict[str, int] = {}
    for curve, _ in parts:
        places.setdefault(curve.name, len(places))

    def key(item: tuple[tuple[Curve, int], object]) -> tuple[int, int, int, bool]:
        (curve, rank), _ = item
        return places[curve.name], rank, curve.env_id, curve.axis == "step"

    return key


def _choose_name(curve: Curve, rank: int, taken: dict[str, Series]) -> str:
    """Return the name of a curve in the story; the plain one if it is free."""
    if curve.name not in taken:
        return curve.name
    main = taken[curve.name]
    labels = [f"rank {rank}"] * (rank != main.rank)
    labels += [f"env {curve.env_id}"] * (curve.env_id != main.env_id)
    labels += ["steps"] * (curve.axis == "step" != main.axis)
    name = f"{curve.name} ({', '.join(labels)})" if labels else curve.name
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name} #{number}", number + 1
    return unique


def _gpu_values(gpu: GpuSample) -> dict[str, float | None]:
    return {
        "utilization": gpu.utilization,
        "memory_used_bytes": gpu.memory_used_bytes,
        "temperature": gpu.temperature,
        "power": gpu.power,
    }


def _known_env(env_id: int | None) -> int:
    """Return the environment of an event; -1 if the log lacks it."""
    return -1 if env_id is None else env_id
