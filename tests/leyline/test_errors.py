"""Every error is an EsperError and a built-in exception."""

import pytest

from esper.leyline.errors import (
    CheckpointError,
    EsperError,
    LogError,
    MissingExtraError,
    RunNotFoundError,
    SlotError,
    SnapshotError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "usual"),
    [
        (UsageError, ValueError),
        (RunNotFoundError, LookupError),
        (LogError, ValueError),
        (SnapshotError, ValueError),
        (CheckpointError, ValueError),
        (SlotError, ValueError),
        (MissingExtraError, ImportError),
    ],
)
def test_an_error_can_be_caught_as_esper_error_and_as_the_built_in_one(error, usual):
    assert issubclass(error, EsperError)
    assert issubclass(error, usual)


def test_a_missing_extra_names_the_command_that_installs_it():
    error = MissingExtraError("digits", package="scikit-learn")

    assert str(error) == (
        "scikit-learn must be installed for this, but it is missing;"
        " run: pip install 'esper-grow[digits]'"
    )
