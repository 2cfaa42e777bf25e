"""Log sink `tensorboard`: curves and texts as event files of TensorBoard, from the contract's keys `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

from esper._generated.enums import Resumption, RunOutcome
from esper._generated.run import RunFinishedPayload
from esper.nissa.log_sinks.output_folder import OutputFolder
from esper.nissa.log_sinks.plain_values import run_settings
from esper.nissa.reader import LoggedEvent
from esper.nissa.run_edges import START_EVENTS
from esper.nissa.shipping.log_sink import LogSink, ShippedRun, State
from esper.nissa.shipping.series import find_env, find_place, find_scalars, find_texts

_MAX_QUEUE = 1000
_FLUSH_S = 3600
"""TensorBoard's writer would flush by itself after 120 seconds; here each commit does."""


@final
class TensorBoardSink(LogSink):
    """Writes event files into `tensorboard/` in the run's folder, or into `ARGUMENT/RUN/`.

    Rank 0 and environment 0 are in that folder itself, others in `rank-R` and `env-E` below it, where TensorBoard shows them
    as runs of their own. The x axis is the step where an event has one, else the epoch. What was written after the last
    commit is cut off when the sink is opened again, so no point is there twice.
    """

    RESUMPTION: ClassVar[Resumption] = Resumption.OFFSETS
    REQUIRES: ClassVar[tuple[str, ...]] = ("tensorboard",)
    EXTRA: ClassVar[str | None] = "tensorboard"

    def __init__(self) -> None:
        """Write nothing yet."""
        self._folder: OutputFolder | None = None
        self._writers: dict[Path, Any] = {}

    def open(self, run: ShippedRun, state: State | None) -> None:
        """Cut the files back to the last commit; further events go to new files.

        Raises:
            UsageError: the folder holds event files of something else, or cannot be written.
            LogError: a file is missing or shorter than it was.
        """
        self._folder = _folder(run)
        self._folder.begin(None if state is None else state["sizes"])

    def write(self, events: Sequence[LoggedEvent]) -> None:
        """Write the curves and texts of the events; those without either leave nothing."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        for event in events:
            values = [
                Summary.Value(tag=name, simple_value=value) for name, value in find_scalars(event)
            ]
            values += [_text_value(name, text) for name, text in find_texts(event)]
            values += _session_values(event)
            if values:
                self._writer_of(event).add_event(
                    Event(
                        wall_time=event[0].t_wall_ns / 1e9,
                        step=find_place(event).x,
                        summary=Summary(value=values),
                    )
                )

    def commit(self) -> State:
        """Flush the files to the disk and return their sizes."""
        assert self._folder is not None
        for writer in self._writers.values():
            writer.flush()
        return {"sizes": self._folder.commit()}

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def clear(self, run: ShippedRun) -> bool:
        """Remove the event files of the run."""
        return _folder(run).clear()

    def _writer_of(self, event: LoggedEvent) -> Any:
        assert self._folder is not None
        path = self._folder.path
        if event[0].rank:
            path /= f"rank-{event[0].rank}"
        if env := find_env(event):
            path /= f"env-{env}"
        if path not in self._writers:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self._writers[path] = EventFileWriter(
                str(path), max_queue_size=_MAX_QUEUE, flush_secs=_FLUSH_S
            )
        return self._writers[path]


def _folder(run: ShippedRun) -> OutputFolder:
    return OutputFolder(run, "tensorboard", pattern="events.out.tfevents.*")


def _session_values(event: LoggedEvent) -> list[Any]:
    """Return what TensorBoard's page of hyperparameters takes from an event: those of a run at its start, and its end.

    It shows the run's curves beside them, so the final ones of `run_finished/` are the metrics.
    """
    envelope, payload = event
    if envelope.event not in START_EVENTS and not isinstance(payload, RunFinishedPayload):
        return []
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    time_s = envelope.t_wall_ns / 1e9
    if not isinstance(payload, RunFinishedPayload):
        plain = {
            name: one
            for name, one in run_settings(event).items()
            if isinstance(one, bool | int | float | str)
        }
        return list(hparams_pb(plain, trial_id=envelope.run, start_time_secs=time_s).value)
    is_complete = payload.outcome is RunOutcome.COMPLETED
    status = api_pb2.STATUS_SUCCESS if is_complete else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time_s)
    content = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    return [
        Summary.Value(
            tag=metadata.SESSION_END_INFO_TAG,
            metadata=metadata.create_summary_metadata(content),
            tensor=metadata.NULL_TENSOR,
        )
    ]


def _text_value(name: str, text: str) -> Any:
    """Return a text as TensorBoard's page of texts shows it; it would take Markdown in it for formatting."""
    from tensorboard.compat.proto import types_pb2
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    return Summary.Value(
        tag=name,
        metadata=SummaryMetadata(plugin_data=plugin),
        tensor=TensorProto(
            dtype=types_pb2.DT_STRING, string_val=[text.encode()], tensor_shape=shape
        ),
    )
