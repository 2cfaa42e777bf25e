"""`esper blueprints`: lists the blueprints of seeds by the kind of features that they take."""

import argparse
import itertools
import json
from typing import TypedDict, get_args

from esper.commands.terminal import make_console, print_line

NAME = "blueprints"

_CHANNELS = (16, 64)


class BlueprintJson(TypedDict):
    """A blueprint of seeds."""

    topology: str
    blueprint_id: str
    num_params: dict[str, int]
    """Parameters of a seed, by the number of channels of its slot."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the blueprints of seeds",
        description="List the blueprints by topology, with the parameters that a seed has in a slot of 16 and of 64 channels.",
        epilog="Blueprints of your own are registered in Python: esper.register_blueprint.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print a line for each blueprint and return exit code 0."""
    from esper.kasmina.blueprints.registry import blueprint_ids, build_seed
    from esper.kasmina.topology import Topology

    console = make_console()
    plain: list[BlueprintJson] = []
    for topology in get_args(Topology):
        for blueprint_id in blueprint_ids(topology):
            seeds = [build_seed(topology, blueprint_id, channels) for channels in _CHANNELS]
            sizes = [sum(one.numel() for one in seed.parameters()) for seed in seeds]
            plain.append(
                {
                    "topology": topology,
                    "blueprint_id": blueprint_id,
                    "num_params": dict(zip(map(str, _CHANNELS), sizes, strict=True)),
                }
            )
    if options.json:
        print(json.dumps(plain, indent=2))
        return 0
    for topology, blueprints in itertools.groupby(plain, key=lambda one: one["topology"]):
        print_line(console, f"{topology}:")
        for one in blueprints:
            small, large = one["num_params"].values()
            text = f"{one['blueprint_id']:<20} {small:>8,} {large:>10,} parameters"
            print_line(console, f"  {text}")
    return 0
