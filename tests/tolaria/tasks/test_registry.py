"""Tasks are found by name, and a name belongs to one task."""

from dataclasses import replace

import pytest

from esper.leyline.errors import UsageError
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.tasks.registry import get_task, register_task, task_names


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """Let each test register tasks that later tests do not see."""
    monkeypatch.setattr("esper.tolaria.tasks.registry._TASKS", {"digits": DIGITS})


def test_a_registered_task_is_found_by_its_name():
    mine = register_task(replace(DIGITS, name="mine"))

    assert get_task("mine") is mine
    assert task_names() == ("digits", "mine")


def test_the_same_task_may_be_registered_again():
    assert register_task(DIGITS) is DIGITS


def test_a_name_cannot_be_taken_twice():
    with pytest.raises(UsageError, match='must be unique, got "digits", which another task has'):
        register_task(replace(DIGITS, epochs=3))

    assert get_task("digits") is DIGITS


@pytest.mark.parametrize(
    ("task", "remedy"), [(3, "build one"), ("digits", r"get_task\('digits'\)")]
)
def test_only_tasks_can_be_registered(task, remedy):
    with pytest.raises(UsageError, match=f"a task must be a Task, got .*; .*{remedy}"):
        register_task(task)


def test_an_unknown_name_is_answered_with_the_known_ones():
    register_task(replace(DIGITS, name="mine"))

    with pytest.raises(
        UsageError, match=r'no task "yours"; there are: digits, mine; .*register_task'
    ):
        get_task("yours")
