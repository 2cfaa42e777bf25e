"""A failure is described in texts that the log can hold, and in one line for messages."""

import json

import pytest
from torch import nn

from esper import Task
from esper._generated.enums import RunOutcome
from esper._generated.run import RunFinishedPayload
from esper.leyline.failure import describe_end, describe_failure


class SlyError(Exception):
    def __str__(self):
        raise RuntimeError("not this one either")


def failure_of(raise_error):
    try:
        raise_error()
    except Exception as error:
        outcome, failure = describe_end(error)
        assert outcome is RunOutcome.FAILED
        return failure
    raise AssertionError("no error")


def raiser(error):
    def raise_error():
        raise error

    return raise_error


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (ValueError(), "ValueError", ""),
        (KeyError("x"), "KeyError", "'x'"),
        (ValueError("one\ntwo"), "ValueError", "one\ntwo"),
        (ValueError("\ud800"), "ValueError", "\\ud800"),
        (ExceptionGroup("two", [ValueError()]), "ExceptionGroup", "two (1 sub-exception)"),
    ],
)
def test_class_and_message(error, name, message):
    failure = failure_of(raiser(error))

    assert (failure.type, failure.message) == (name, message)


def test_a_class_of_a_module_has_its_name():
    assert failure_of(lambda: json.loads("{")).type == "json.decoder.JSONDecodeError"


def test_a_message_that_cannot_be_made_is_replaced():
    assert failure_of(raiser(SlyError())).message == "<exception str() failed>"


@pytest.mark.parametrize("frames", [1, 30])
def test_the_place_is_the_innermost_frame_of_the_users_code(frames):
    code = "import json\ndef f(n):\n    return f(n - 1) if n else json.loads('{')\nf(frames)"
    failure = failure_of(
        lambda: exec(compile(code, "/home/me/train.py", "exec"), {"frames": frames})
    )

    assert failure.place == "/home/me/train.py:3"


def test_an_error_without_a_traceback_has_no_place():
    assert describe_end(ValueError())[1].place is None


def test_long_texts_fit_the_contract():
    name = "/" + "d" * 600 + "/train.py"
    failure = failure_of(
        lambda: exec(compile("raise type('E' * 300, (Exception,), {})('m' * 2000)", name, "exec"))
    )

    assert failure.place.endswith("/train.py:1")
    RunFinishedPayload(
        outcome=RunOutcome.FAILED,
        epochs_completed=0,
        val_accuracy=None,
        baseline_accuracy=None,
        num_host_params=0,
        num_params=0,
        duration_s=0.0,
        error_type=failure.type,
        error_message=failure.message,
        error_place=failure.place,
        env_id=0,
    )
    assert (len(failure.type), len(failure.message), len(failure.place)) == (256, 1024, 512)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupt_is_not_a_failure(error):
    assert describe_end(error) == (RunOutcome.INTERRUPTED, None)


def test_a_message_has_type_message_and_place_in_one_printable_line():
    try:
        raise ValueError("\nbad \x1b[31m batch\nmore")
    except ValueError as error:
        line = describe_failure(error)

    head, _, place = line.partition(" (")
    assert head == r"ValueError: bad \x1b[31m batch"
    assert place.startswith(f"{__file__}:")
    assert place.endswith(")")


def test_the_place_is_not_the_generated_code_of_a_data_class():
    # The generated __init__ of a task calls a check of Esper, which raises.
    with pytest.raises(ValueError, match="num_classes") as caught:
        Task(name="x", load_samples=tuple, build_host=nn.Identity, num_classes=1)
    assert f"({__file__}:" in describe_failure(caught.value)


def test_a_message_of_an_exception_that_was_not_raised_has_no_place():
    assert describe_failure(KeyError()) == "KeyError"
