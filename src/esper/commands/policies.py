"""`esper policies`: lists the growth policies that `esper train --policy` knows."""

import argparse
import json
from typing import TypedDict

from esper.commands.terminal import make_console, print_line

NAME = "policies"

_EPILOG = """\
A policy of your own: esper train --policy my_policy.py:MyPolicy, where MyPolicy is a class in that file that is built without
arguments, or a function that returns a policy. A script of decisions, such as esper script prints: --policy grown.yaml.
An installed package adds policies with entry points of the group esper.policies.
"""


class PolicyJson(TypedDict):
    """A growth policy."""

    name: str
    summary: str


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="list the growth policies",
        description="List the growth policies by name; esper train uses the first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Print a line for each policy and return exit code 0."""
    from esper.tamiyo.registry import policy_names, summary_of

    console = make_console()
    names = policy_names()
    if options.json:
        plain: list[PolicyJson] = [{"name": one, "summary": summary_of(one)} for one in names]
        print(json.dumps(plain, indent=2))
        return 0
    width = max(map(len, names))
    for name in names:
        print_line(console, f"{name:<{width}}  {summary_of(name)}")
    return 0
