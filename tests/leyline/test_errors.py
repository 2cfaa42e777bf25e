"""Every error is ours, and also the one that Python has for the same mistake."""

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
def test_an_error_can_be_caught_as_ours_and_as_the_usual_one(error, usual):
    assert issubclass(error, EsperError)
    assert issubclass(error, usual)


def test_a_missing_extra_says_how_to_install_it():
    error = MissingExtraError("digits", package="scikit-learn")

    assert str(error) == (
        "scikit-learn must be installed for this, got none; try: pip install 'esper[digits]'"
    )
