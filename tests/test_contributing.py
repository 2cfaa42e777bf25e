"""The worked example in CONTRIBUTING.md works, with exactly the output that the page shows."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = (
    (ROOT / "CONTRIBUTING.md")
    .read_text(encoding="utf-8")
    .partition("### A worked example")[2]
    .partition("\n## ")[0]
)
STEPS = re.findall(r"```(diff|console)\n(.*?)```", EXAMPLE, re.DOTALL)


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a copy of the project that tests may change."""
    for part in ("codegen", "specs", "src", "docs", "tests/_generated", "pyproject.toml"):
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return tmp_path


def run(project: Path, command: str) -> str:
    """Run a command of the example in the copy, with the `python` and `mypy` that run this test; return its output."""
    bin_folder = Path(sys.executable).parent
    cache = f"--cache-dir {ROOT / '.mypy_cache'}"
    command = re.sub(r"^python\b", str(bin_folder / "python"), command)
    command = re.sub(r"^mypy\b", f"{bin_folder / 'mypy'} {cache}", command)
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.replace(f"{project}/", "")


def test_the_worked_example_is_reproducible(project):
    for kind, text in STEPS:
        if kind == "diff":
            patch = ["patch", "--strip=1", "--fuzz=0", "--quiet"]
            subprocess.run(patch, cwd=project, input=text, text=True, check=True)
        else:
            command, _, expected = text.removeprefix("$ ").partition("\n")
            assert run(project, command) == expected
    assert [kind for kind, _ in STEPS] == ["diff", *["console"] * 4, "diff"]


def test_after_the_example_nothing_is_left_to_do(project):
    for kind, text in STEPS:
        if kind == "diff":
            subprocess.run(
                ["patch", "--strip=1", "--quiet"], cwd=project, input=text, text=True, check=True
            )
    run(project, "python -m codegen")

    assert run(project, "python -m codegen check") == ""
    assert "Success" in run(project, "mypy")
