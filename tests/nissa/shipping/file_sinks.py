"""Log sinks for tests, named as FILE.py:CLASS: they write a line for each event, and some of them misbehave."""

import os
import signal
import time
from pathlib import Path

from esper._generated.enums import Resumption
from esper.nissa.shipping.log_sink import LogSink, event_key


class LinesSink(LogSink):
    """Writes the key of each event into the file that its argument names, and cuts it back when it is opened."""

    RESUMPTION = Resumption.OFFSETS

    def __init__(self):
        self.file = None

    def open(self, run, state):
        self.path = Path(run.argument or run.folder / "lines.txt")
        self.file = self.path.open("ab")
        self.file.truncate(0 if state is None else state["size"])

    def write(self, events):
        self.file.writelines(f"{event_key(event)} {event[1]!r}\n".encode() for event in events)
        self.file.flush()

    def commit(self):
        return {"size": self.file.tell()}

    def close(self):
        if self.file is not None:
            self.file.close()

    def clear(self, run):
        Path(run.argument or run.folder / "lines.txt").unlink(missing_ok=True)
        return True


class _OnceSink(LinesSink):
    """Misbehaves in its first write that is not the first of all, and never again."""

    def write(self, events):
        super().write(events)
        marker = self.path.with_suffix(".done")
        if self.file.tell() > 2000 and not marker.exists():
            marker.touch()
            self.misbehave()


class HangingSink(_OnceSink):
    def misbehave(self):
        time.sleep(100_000)


class DyingSink(_OnceSink):
    def misbehave(self):
        os.kill(os.getpid(), signal.SIGKILL)


class RaisingSink(_OnceSink):
    def misbehave(self):
        raise ConnectionError("no network")


class LeavingSink(_OnceSink):
    def misbehave(self):
        raise SystemExit(0)


class EndingSink(_OnceSink):
    """Ends its process as a library would, with an exit code that says that all is well."""

    def misbehave(self):
        os._exit(0)


class FrozenSink(LinesSink):
    def write(self, events):
        time.sleep(100_000)


class SilentSink(LogSink):
    """Does not say how it resumes, and cannot be closed."""

    def open(self, run, state):
        pass

    def write(self, events):
        pass

    def commit(self):
        return {}


class HopelessSink(LinesSink):
    def write(self, events):
        raise ConnectionError("no network")


class NeedySink(LinesSink):
    REQUIRES = ("a_module_that_does_not_exist",)


class StubbornSink(LinesSink):
    """Cannot take back what it has written."""

    def clear(self, run):
        return False
