"""`esper train`: its arguments. The work is in `train_session`, which is imported when it is needed."""

import argparse
from pathlib import Path

_EPILOG = """\
examples:
  esper train                             grow a network on digits, about a minute on a laptop
  esper train --seed 3 --epochs 80        another seed, more epochs
  esper train --inject-fault nan@12       break the run at epoch 12 and watch the governor mend it
  esper train --resume latest             go on with a run that was killed or interrupted
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "train",
        help="grow a network on a task",
        description="Grow a network on a task, under the governor, and compare it with its host alone.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--task", help="what to learn (default: digits)")
    parser.add_argument("--epochs", type=int, help="epochs to train (default: the task's own)")
    parser.add_argument("--seed", type=int, help="seed of every random choice (default: 0)")
    parser.add_argument("--device", help="where to train, such as cpu or cuda:0 (default: cpu)")
    parser.add_argument(
        "--detector",
        choices=("robust", "sigma"),
        help="rule by which the governor judges losses (default: robust)",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder that holds the runs (default: %(default)s)",
    )
    parser.add_argument(
        "--no-baseline", action="store_true", help="do not train the host alone for comparison"
    )
    parser.add_argument(
        "--inject-fault",
        action="append",
        metavar="KIND@EPOCH",
        help="nan@EPOCH: a loss becomes NaN; spike@EPOCH: learning rate x100 for three epochs;"
        " may be repeated",
    )
    parser.add_argument(
        "--keep-checkpoints", type=int, metavar="N", help="newest checkpoints to keep (default: 2)"
    )
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a run from its newest checkpoint; --epochs may be raised",
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Train, print the summary, and return the exit code."""
    # PyTorch takes a second to import, which the commands that only read a run need not pay.
    from esper.commands.train_session import train

    return train(options)
