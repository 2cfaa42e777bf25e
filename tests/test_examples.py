"""Every example runs unchanged, does what it says, and imports only the public modules."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from esper.cli import main

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PUBLIC_MODULES = {"esper", "esper.telemetry"}
MAX_LINES = 80

# A part of the output of each example, in which its effect is visible.
EXPECTED = {
    "govern_plain_loop": r"NAN in step 100: back to the weights of step \d+\n.*\d\d\.\d %",
    "govern_gan": r"step 200: restored step \d+ \(NAN\); all weights finite: True",
    "govern_language_model": r"step 20\d: restored step \d+ \(\w+\)\nloss on the same batches: 3\.\d+, restored [12]\.\d+\nheld out: [12]\.",
    "log_own_loop": r"COMPLETED: 6 epochs, \d\d\.\d %\nstep 137: loss, lr\n\d+ calls of run.log are in the log, \d+ left",
    "grow_own_network": r"seed 0: host alone .*FOSSILIZED .*\nseed 1: host alone \d\d\.\d %, grown \d\d\.\d %",
    "graft_transformer": r"without seed .* %; FOSSILIZED\nafter ungraft: \d\d\.\d %, 8352 parameters grown",
    "graft_own_network": r"layers.1: conv1d, features \(B, C, L\), C = 16\n.*\ngrown (\d\d\.\d) %, loaded \1 %",
    "own_task": r"test: host alone \d+\.\d %, grown \d+\.\d %\nseed \w+: [A-Z]+, \d+ parameters\nthe network loaded from .* has \d+ parameters",
    "own_policy": r"r0c0, conv_light: GERMINATED > TRAINING.*\n",
    "own_blueprint": r"after-stem-squeeze_excitation has 76 parameters.*\n.* 0 at first, is (?!0\.00)\d",
    "own_detector": r"rolled back to step \d+; final accuracy 9\d\.\d %",
    "read_run": r"host alone: not measured\nslot r0c0: seeds planted \d.*\n(.*\n)*rollback in epoch 3: NAN\n",
    "read_run_sql": r"the best epochs\n.*accuracy",
}


def run_example(path: Path, folder: Path) -> str:
    """Return what an example prints, with `folder` as its working directory."""
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder_with_a_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = ["--epochs", "22", "--no-baseline", "--inject-fault", "nan@3"]
        assert main(["train", *options]) == 0
    return folder


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_runs_and_does_what_it_says(path, folder_with_a_run, tmp_path):
    folder = folder_with_a_run if path.stem.startswith("read_run") else tmp_path

    printed = run_example(path, folder)

    assert re.search(EXPECTED[path.stem], printed, re.DOTALL), printed


def test_every_expected_example_is_there():
    assert {path.stem for path in EXAMPLES} == set(EXPECTED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_is_short_and_documented(path):
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= MAX_LINES
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_imports_the_public_modules_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }

    assert {name for name in modules if name.partition(".")[0] == "esper"} <= PUBLIC_MODULES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_a_governed_loop_ends_when_the_verdict_says_so(path):
    text = path.read_text(encoding="utf-8")

    assert text.count(".after_step()") == text.count("if governor.after_step().must_stop:")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_readme_lists_every_example(path):
    assert f"(examples/{path.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
