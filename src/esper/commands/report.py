"""`esper report`: writes a run, or the comparison of several, as one page that every browser shows offline."""

import argparse
import json
import os
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from esper.commands.run_arguments import add_run_dir, folder
from esper.commands.terminal import make_console, print_line
from esper.karn.report.availability import check_report
from esper.karn.run import read_story
from esper.karn.story import RunStory
from esper.karn.summary_json import to_json
from esper.leyline.atomic import write_atomically
from esper.leyline.errors import UsageError
from esper.leyline.text import pluralize
from esper.nissa.run_edges import is_running
from esper.nissa.runs import resolve

NAME = "report"

_EPILOG = """\
The page is one file without scripts: it can be sent, archived and printed, and loads nothing. It needs the extra: charts

examples:
  esper report latest --open               write report.html into the run's folder and show it
  esper report 2026 4f1c --out both.html   compare two runs; runs that differ only in their seed are a group
  esper report latest --figures figures    also write each chart as SVG, PDF and PNG
  esper report latest --markdown --out -   print the report as Markdown
  esper report latest --json | jq '.runs[0].facts'   what it says, for a script
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its arguments."""
    parser = subparsers.add_parser(
        NAME,
        help="write a page with the charts and the story of runs",
        description="Write a self-contained page on a run, or one that compares several: results, charts, seeds, governor.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run's folder, its id, the start of its id, or: latest",
    )
    add_run_dir(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the file to write, or - for standard output"
        " (default: report.html in the run's folder; for several runs, in the current folder)",
    )
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    parser.add_argument(
        "--markdown", action="store_true", help="write Markdown (report.md) instead of a page"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the report's content, without charts, as one JSON object; with --out, write it",
    )
    parser.add_argument(
        "--figures", type=folder, metavar="DIR", help="also write the charts as files into DIR"
    )
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Write the report, print where it is, and return exit code 0.

    Raises:
        RunNotFoundError: a run cannot be found, or several match.
        UsageError: the options contradict each other, or the file to write is a folder.
        MissingExtraError: a package of the extra `charts` is not installed.
        LogError: the log of a run is empty or cannot be read.
    """
    # A run that is named twice is reported once.
    folders = list(dict.fromkeys(resolve(one, options.run_dir) for one in options.runs))
    out = _find_out(options, folders)
    if options.json and (options.markdown or options.open):
        raise UsageError("--json is a format of its own; leave out --markdown and --open")
    if options.open and (out is None or options.markdown):
        raise UsageError(
            "--open shows a page, which needs a file; leave out --markdown and --out -"
        )
    if not (options.markdown or options.json) or options.figures is not None:
        check_report()
    document, figures = _make(folders, options, out)
    console = make_console()
    if out is None:
        sys.stdout.write(document)
        return 0
    content = document.encode()
    write_atomically(out, lambda file: file.write(content))
    if options.figures is not None:
        print_line(console, f"wrote {pluralize(len(figures), 'chart')} to {options.figures}")
    print_line(console, f"wrote {out}")
    if options.open:
        webbrowser.open(out.resolve().as_uri())
    return 0


def _read(path: Path) -> RunStory:
    story = read_story(path)
    return replace(story, progress=replace(story.progress, is_alive=is_running(path)))


def _find_out(options: argparse.Namespace, folders: Sequence[Path]) -> Path | None:
    """Return the file to write; None for standard output."""
    if options.out == "-" or (options.json and options.out is None):
        return None
    name = "report.md" if options.markdown else "report.html"
    if options.out is None:
        return folders[0] / name if len(folders) == 1 else Path(name)
    out = folder(options.out)
    if out.is_dir():
        raise UsageError(f"--out must name a file, got the folder {out}; try {out / name}")
    return out


def _write_figures(
    stories: Sequence[RunStory], path: Path | None, out: Path | None
) -> dict[str, str]:
    """Write the charts, if that was asked for, and return the path of each SVG, relative to the report."""
    if path is None:
        return {}
    from esper.karn.report.figures import write_figures

    start = Path.cwd() if out is None else out.resolve().parent
    return {
        name: os.path.relpath(files[0].resolve(), start)
        for name, files in write_figures(stories, path).items()
    }


def _make(
    folders: Sequence[Path], options: argparse.Namespace, out: Path | None
) -> tuple[str, dict[str, str]]:
    """Return the document, and the path of each chart that was written as a file."""
    if options.json:
        from esper.karn.report.report_json import make_report_json

        stories = [_read(one) for one in folders]
        text = json.dumps(to_json(make_report_json(stories)), indent=2)
        return f"{text}\n", _write_figures(stories, options.figures, out)
    if options.markdown:
        from esper.karn.report.markdown import render_markdown

        stories = [_read(one) for one in folders]
        figures = _write_figures(stories, options.figures, out)
        return render_markdown(stories, figures), figures
    # Altair takes a third of a second to import, which the other commands need not pay.
    from esper.karn.charts.render import Painter
    from esper.karn.report.page import make_figures, render_page

    with Painter() as painter:
        stories = [_read(one) for one in folders]
        document = render_page(stories, make_figures(stories, painter))
    return document, _write_figures(stories, options.figures, out)
