"""A zoo's contract with places where a test says something else."""

import contextlib
import io
import json
import re
from pathlib import Path
from textwrap import indent

from codegen.__main__ import main

BASE = (Path(__file__).parent / "zoo.yaml").read_text()
LAYOUT = ("--spec", "zoo.yaml", "--out", "zoo/_generated", "--package", "zoo._generated")


def spell(version="1.0.0", **said):
    """Return the contract with YAML put in at the places called so: `fields`, `event`, `top`, ..."""

    def fill(match):
        return indent(said.pop(match[2], ""), match[1])

    text = BASE.replace("version: 1.0.0", f"version: {version}")
    text = re.sub(r"^( *)# (\w+)$", fill, text, flags=re.MULTILINE)
    assert not said, f"no such places: {said}"
    return text


def run(folder, *argv):
    """Run the command line in a folder; return exit code, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(list(argv))
    return code, out.getvalue(), err.getvalue()


def compare(folder, old, new, *options):
    """Compare two contracts given as text; return exit code and findings."""
    (folder / "old.yaml").write_text(old)
    (folder / "new.yaml").write_text(new)
    code, out, err = run(folder, "compat", "old.yaml", "new.yaml", "--format", "json", *options)
    assert code in (0, 1), out + err
    return code, json.loads(out)


def levels(findings, rule):
    """Return the levels of the findings of a rule."""
    return [one["level"] for one in findings if one["rule"] == rule]
