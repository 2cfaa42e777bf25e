"""Shipping that is started with a run takes little from it."""

import os
import signal
import sys

import pytest

from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.shipping.launch import prepare_shipping


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such schedules")
def test_the_process_and_its_sinks_give_way_to_training(tmp_path):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with Hub("run") as hub:
        hub.attach(RunLog(tmp_path / "run"))
        process = prepare_shipping(["csv"]).start(tmp_path / "run")
        try:
            assert os.getpriority(os.PRIO_PROCESS, process) == min(own + 10, 19)
            assert os.sched_getscheduler(process) == os.SCHED_BATCH
            assert os.getsid(process) != os.getsid(0)
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
