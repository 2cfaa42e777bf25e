"""`esper blueprints`: lists the blueprints of seeds by the kind of features that they take."""

import argparse
from typing import get_args

from esper.commands.terminal import make_console, print_line

NAME = "blueprints"

_CHANNELS = (16, 64)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, which has no arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the blueprints of seeds",
        description="List the blueprints by topology, with the parameters that a seed has in a slot of 16 and of 64 channels.",
        epilog="Blueprints of your own are registered in Python: esper.register_blueprint.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)


def run(_options: argparse.Namespace) -> int:
    """Print a line for each blueprint and return exit code 0."""
    from esper.kasmina.blueprints.registry import blueprint_ids, build_seed
    from esper.kasmina.topology import Topology

    console = make_console()
    for topology in get_args(Topology):
        print_line(console, f"{topology}:")
        for blueprint_id in blueprint_ids(topology):
            seeds = [build_seed(topology, blueprint_id, channels) for channels in _CHANNELS]
            small, large = (sum(one.numel() for one in seed.parameters()) for seed in seeds)
            print_line(console, f"  {blueprint_id:<20} {small:>8,} {large:>10,} parameters")
    return 0
