"""`esper tag`: adds tags with notes to a run, removes them, or shows them."""

import argparse
import json

from esper.commands.run_arguments import add_run_arguments
from esper.commands.terminal import make_console, print_line
from esper.leyline.errors import UsageError
from esper.leyline.text import printable
from esper.nissa.runs import resolve
from esper.nissa.tags import MAX_NOTE, add_tags, read_tags, remove_tags

NAME = "tag"

_EPILOG = """\
examples:
  esper tag latest good --note "best of the sweep"
  esper tag latest                 show the tags of a run
  esper tag latest good --remove
  esper runs --tag good            the runs that have the tag

esper gc keeps runs with tags.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="add tags and notes to a run",
        description="Add tags to a run, remove them, or show them. They are in the file tags.json in its folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_arguments(parser)
    parser.add_argument("tags", nargs="*", metavar="TAG", help="names, such as: good")
    parser.add_argument("--note", metavar="TEXT", help="a note for the tags that are named")
    parser.add_argument("--remove", action="store_true", help="remove the tags that are named")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Change the tags, print those that the run has now, and return exit code 0.

    Raises:
        RunNotFoundError: no run matches, or several do.
        UsageError: a name or the note cannot be used, or the run does not have a tag that is to be removed.
        LogError: the tags cannot be read.
    """
    folder = resolve(options.which, options.run_dir)
    if not options.tags and (options.remove or options.note is not None):
        raise UsageError("name a tag, such as good")
    if options.remove and options.note is not None:
        raise UsageError("--note is for tags that are added, got --remove, too; leave one out")
    if options.remove:
        tags = remove_tags(folder, options.tags)
    elif options.tags:
        tags = add_tags(folder, options.tags, note=options.note)
    else:
        tags = read_tags(folder)
    if options.json:
        print(json.dumps({"run": folder.name, "tags": tags}, indent=2))
        return 0
    console = make_console()
    for name, note in tags.items():
        print_line(console, name if note is None else f"{name}: {printable(note, MAX_NOTE)}")
    if not tags:
        print_line(console, f"{folder.name} has no tags")
    return 0
