"""Errors name Python arguments; the command line shows its options instead."""

import pytest

from esper.commands.run_arguments import with_flags


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`epochs` may only be raised", "--epochs may only be raised"),
        ("try `epochs=12`", "try --epochs 12"),
        ("name another `run_dir`", "name another --run-dir"),
        ("`num_checkpoints` and `faults`", "--keep-checkpoints and --inject-fault"),
        ("end the loop when `must_stop` is true", "end the loop when `must_stop` is true"),
        ("5 epochs of `a b`", "5 epochs of `a b`"),
    ],
)
def test_arguments_become_options(message, shown):
    assert with_flags(message) == shown
