"""What the README shows is true."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from esper.cli import main
from esper.nissa.reader import read_run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^    \.venv/bin/esper (.*?)(?:\s+#.*)?$", README, re.MULTILINE)


def test_the_example_runs_as_written(tmp_path):
    (example,) = EXAMPLES

    subprocess.run([sys.executable, "-W", "error", "-c", example], cwd=tmp_path, check=True)

    told = [payload.EVENT for _, payload in read_run(tmp_path / "runs" / "my-run")]
    assert "SEED_GERMINATED" in told
    assert "GOVERNOR_SNAPSHOT" in told


def test_the_example_is_short():
    (example,) = EXAMPLES

    assert sum(bool(line.strip()) for line in example.splitlines()) <= 33


@pytest.fixture
def a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--epochs", "1", "--no-baseline"]) == 0


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("train")])
def test_the_commands_that_read_a_run_are_real(a_run, command):
    program = [sys.executable, "-m", "esper", *shlex.split(command)]

    assert subprocess.run(program, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(path):
    assert (ROOT / path).exists()
