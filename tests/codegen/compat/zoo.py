"""The contract of a zoo, with places where tests insert YAML, and functions to compare, generate and release it."""

import contextlib
import io
import json
import re
from pathlib import Path
from textwrap import indent

from codegen.__main__ import main
from codegen.history.decoding import load_decoder

BASE = (Path(__file__).parent / "zoo.yaml").read_text()
LAYOUT = ("--spec", "zoo.yaml", "--out", "zoo/_generated", "--package", "zoo._generated")
# One field of every kind that golden records have samples for.
EVERYTHING = """\
count: {type: int, unit: "1", range: [1, 9], arg: true, doc: C.}
length: {type: float, unit: s, nullable: true, nonfinite: string, arg: true, doc: L.}
code: {type: str, pattern: "[a-f]+", length: [2, 4], arg: true, doc: C.}
is_fed: {type: bool, default: false, arg: true, doc: I.}
moods: {type: "Mood[]{}", arg: true, missing: {}, doc: M.}
"""
PYTHON = (*LAYOUT, "--target", "python", "--no-format")


def contract_yaml(version="1.0.0", **parts):
    """Return the contract with YAML inserted at the named places: `fields`, `event`, `top`, ..."""

    def fill(match):
        return indent(parts.pop(match[2], ""), match[1])

    text = BASE.replace("version: 1.0.0", f"version: {version}")
    text = re.sub(r"^( *)# (\w+)$", fill, text, flags=re.MULTILINE)
    assert not parts, f"no such places: {parts}"
    return text


def run(folder, *argv):
    """Run `python -m codegen` in a folder; return its exit code, output and errors."""
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
    """Return who is affected by the findings of a rule, or their level if nobody is."""
    return [one["impact"] or one["level"] for one in findings if one["rule"] == rule]


def generate(folder, text):
    """Write a contract and generate its Python package."""
    (folder / "zoo.yaml").write_text(text)
    code, out, err = run(folder, "generate", *PYTHON)
    assert code == 0, out + err


def release(folder, text, *options):
    """Write a contract, generate its package and release it; return exit code and output."""
    generate(folder, text)
    return run(folder, "release", *PYTHON, *options)[:2]


def compare_with_released(folder, text, *options):
    """Compare a contract with the newest release; return exit code and findings."""
    (folder / "zoo.yaml").write_text(text)
    code, out, err = run(folder, "compat", *LAYOUT, "--format", "json", *options)
    assert code in (0, 1), out + err
    return code, json.loads(out)


def decoder(folder):
    """Return the function of the generated package that decodes a line."""
    return load_decoder("zoo._generated", folder / "zoo" / "_generated")
