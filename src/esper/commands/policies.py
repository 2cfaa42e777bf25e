"""`esper policies`: lists the growth policies that `esper train --policy` knows."""

import argparse

from esper.commands.terminal import make_console, print_line

NAME = "policies"

_EPILOG = """\
A policy of your own: esper train --policy my_policy.py:MyPolicy, where MyPolicy is a class in that file that is built without
arguments, or a function that returns a policy. A script of decisions, such as esper script prints: --policy grown.yaml.
An installed package adds policies with entry points of the group esper.policies.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, which has no arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the growth policies",
        description="List the growth policies by name; esper train uses the first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)


def run(_options: argparse.Namespace) -> int:
    """Print a line for each policy and return exit code 0."""
    from esper.tamiyo.registry import policy_names, summary_of

    console = make_console()
    names = policy_names()
    width = max(map(len, names))
    for name in names:
        print_line(console, f"{name:<{width}}  {summary_of(name)}")
    return 0
