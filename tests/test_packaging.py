"""The built wheel is complete: it works where the source tree is not."""

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return the `bin` of a fresh environment that holds our wheel and borrows the locked dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("esper-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True
    )
    (packages,) = environment.glob("lib/python*/site-packages")
    # A plain path line: the editable install beside those dependencies is not followed.
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return environment / "bin"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [installed / "esper", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_is_used_and_not_the_source_tree(installed, tmp_path):
    code = "import esper; print(esper.__file__)"

    found = subprocess.run(
        [installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert str(installed.parent) in found.stdout


def test_help_needs_no_source_tree(installed, tmp_path):
    shown = run(installed, tmp_path, "--help")

    assert shown.returncode == 0
    assert "train" in shown.stdout


def test_a_short_run_needs_no_source_tree(installed, tmp_path):
    trained = run(installed, tmp_path, "train", "--epochs", "2", "--no-baseline")

    assert trained.returncode == 0, trained.stderr
    assert run(installed, tmp_path, "summary", "latest").returncode == 0


def test_the_contract_is_there_in_every_language(installed, tmp_path):
    code = "from importlib.resources import files; print(*files('esper._generated').iterdir())"

    found = subprocess.run(
        [installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    for name in ("telemetry.schema.json", "telemetry.ts", "views.sql"):
        assert f"_generated/{name}" in found.stdout
