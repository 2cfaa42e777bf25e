"""The built wheel is complete: it works without the source tree."""

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from esper.version import VERSION

ROOT = Path(__file__).parents[1]
# A PYTHONPATH could lead back to the source tree.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return the `bin` folder of a new environment with our wheel, which uses the dependencies installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, env=ENVIRONMENT, check=True)
    (wheel,) = folder.glob("esper_grow-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    command = [*pip, "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(command, env=ENVIRONMENT, check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # A line with a path only: the editable install in that folder is not followed.
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return environment / "bin"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [installed / "esper", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def print_from(installed: Path, folder: Path, code: str) -> str:
    """Run Python code in the environment and return what it prints."""
    command = [installed / "python", "-c", code]
    ran = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_the_wheel_is_imported_and_not_the_source_tree(installed, tmp_path):
    found = print_from(installed, tmp_path, "import esper; print(esper.__file__)")

    assert str(installed.parent) in found


def test_the_distribution_is_called_esper_grow(installed, tmp_path):
    code = "from importlib.metadata import version; print(version('esper-grow'))"

    assert print_from(installed, tmp_path, code).strip() == VERSION


def test_help_works_without_the_source_tree(installed, tmp_path):
    shown = run(installed, tmp_path, "--help")

    assert shown.returncode == 0
    assert "train" in shown.stdout


def test_a_short_run_works_without_the_source_tree(installed, tmp_path):
    trained = run(installed, tmp_path, "train", "--epochs", "2", "--no-baseline")

    assert trained.returncode == 0, trained.stderr
    assert run(installed, tmp_path, "summary", "latest").returncode == 0


def test_the_wheel_holds_schema_views_and_types(installed, tmp_path):
    code = "from importlib.resources import files; print(*files('esper._generated').iterdir())"

    found = print_from(installed, tmp_path, code)

    for name in (
        "telemetry.schema.json",
        "telemetry.reader.schema.json",
        "telemetry.ts",
        "views.sql",
    ):
        assert f"_generated/{name}" in found
