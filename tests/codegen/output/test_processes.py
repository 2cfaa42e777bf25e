"""Work is spread over processes without anybody noticing but by the clock."""

import os

import pytest

from codegen.diagnostics.errors import GateError
from codegen.output import processes
from codegen.output.processes import MIN_ITEMS, map_in_processes


@pytest.fixture(params=[1, 2, 3])
def num_cores(request, monkeypatch):
    monkeypatch.setattr(processes, "num_cores", lambda: request.param)
    return request.param


@pytest.mark.parametrize("num_items", [0, 1, MIN_ITEMS, 2 * MIN_ITEMS, 5 * MIN_ITEMS + 1])
def test_results_come_in_order(num_cores, num_items):
    items = list(range(num_items))
    assert map_in_processes(lambda item: item * item, items) == [item**2 for item in items]


def test_as_many_processes_work_as_there_are_cores(num_cores):
    pids = map_in_processes(lambda item: os.getpid(), range(5 * MIN_ITEMS))
    assert len(set(pids)) == num_cores


@pytest.mark.parametrize("wrong", [0, 5 * MIN_ITEMS - 1])
def test_what_goes_wrong_in_any_process_is_raised_here(num_cores, wrong):
    def check(item):
        if item == wrong:
            raise GateError(f"item {item} is wrong")
        return item

    with pytest.raises(GateError, match=f"item {wrong} is wrong"):
        map_in_processes(check, range(5 * MIN_ITEMS))


def test_a_process_that_ends_early_is_noticed(monkeypatch):
    monkeypatch.setattr(processes, "num_cores", lambda: 2)
    parent = os.getpid()

    def leave(item):
        if os.getpid() != parent:
            os._exit(3)

    with pytest.raises(processes.CodegenError, match="ended before it was done"):
        map_in_processes(leave, range(5 * MIN_ITEMS))
