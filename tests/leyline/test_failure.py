"""An exception as type, message and place, in one printable line."""

from esper.leyline.failure import describe_failure


def test_type_message_and_place():
    try:
        raise ValueError("\nbad \x1b[31m batch\nmore")
    except ValueError as error:
        failure = describe_failure(error)

    assert (failure.type, failure.message) == ("ValueError", r"bad \x1b[31m batch")
    assert failure.place.startswith("test_failure.py:")
    assert failure.place.endswith(" in test_type_message_and_place")
    assert str(failure) == rf"ValueError: bad \x1b[31m batch ({failure.place})"


def test_an_exception_that_was_not_raised_has_no_place():
    assert str(describe_failure(KeyError())) == "KeyError"
