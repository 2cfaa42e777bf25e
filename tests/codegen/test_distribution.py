"""The distribution esper-codegen is complete: in a new environment, the page for users works as it is written.

Everything here shares one environment, because making it takes most of the time.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from codegen.configuration.table import read_configuration
from codegen.languages.printable import TEMPLATES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "packaging" / "esper-codegen"
PAGE = (ROOT / "docs" / "howto" / "own_contract.md").read_text(encoding="utf-8")
# A block of code, after the name of the file that it is if there is one.
BLOCK = re.compile(
    r"(?:^[^\n]*`([\w./-]*\.\w+)`[^`\n]*:\n\n)?^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def install(place: Path, *what: str | Path) -> None:
    """Install distributions from the index into an environment; without byte code, which takes as long as the rest."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-compile", "--only-binary", ":all:"]
    command = [*pip, "--python", place / "bin" / "python", "install", *options, *what]
    subprocess.run(command, env=ENVIRONMENT, check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a new environment, in which there is setuptools."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    (pinned,) = tomllib.loads((SOURCE / "pyproject.toml").read_text())["build-system"]["requires"]
    install(place, pinned)
    return place


@pytest.fixture(scope="module")
def built(place, tmp_path_factory) -> Path:
    """Return the folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    # A copy, so that building leaves nothing in the source; the link in it becomes a folder.
    copy = shutil.copytree(
        SOURCE,
        folder / "source",
        ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
    )
    code = "from setuptools.build_meta import *; build_sdist('..'); build_wheel('..')"
    command = [place / "bin" / "python", "-c", code]
    subprocess.run(command, cwd=copy, env=ENVIRONMENT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def environment(place, built) -> Path:
    """Return the `bin` folder of the environment with the wheel, its dependencies from the index, and DuckDB."""
    (wheel,) = built.glob("*.whl")
    install(place, wheel, "pre-commit")
    # The page installs DuckDB, too; it is the largest by far, and not ours, so the one of the tests is used.
    (site_packages,) = place.glob("lib/python*/site-packages")
    installed = metadata.distribution("duckdb")
    for name in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."}:
        (site_packages / name).symlink_to(installed.locate_file(name))
    return place / "bin"


def run(environment: Path, folder: Path, command: str) -> str:
    """Run a command of a shell in the environment; return what it prints, errors included."""
    path = f"{environment}{os.pathsep}{ENVIRONMENT['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=ENVIRONMENT | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def commands_of(block: str) -> list[tuple[str, str]]:
    """Return the commands in a block of the page, each with the output below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [tuple(part.partition("\n")[::2]) for part in parts]


def follow(environment: Path, folder: Path) -> None:
    """Do in `folder` what the page says, and compare the outputs."""
    for name, language, text in BLOCK.findall(PAGE):
        if language == "console":
            for command, expected in commands_of(text):
                if "venv" not in command and not command.startswith("pip install"):
                    assert run(environment, folder, command) == expected, command
        elif language == "diff":
            patch = ["patch", "--strip=1", "--fuzz=0", "--quiet"]
            subprocess.run(patch, cwd=folder, input=text, text=True, check=True)
        elif name:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def followed(environment, tmp_path_factory) -> Path:
    """Return the folder in which the page was followed to its end."""
    folder = tmp_path_factory.mktemp("shop")
    follow(environment, folder)
    return folder


def test_the_page_works_as_it_is_written(followed):
    assert (followed / "log" / "orders.jsonl").read_bytes().count(b"\n") == 2


def test_neither_esper_nor_torch_is_needed(environment, followed):
    code = "import sys, shop.events, shop.events.writer; print(*sorted(sys.modules))"
    modules = run(environment, followed, f'python -c "{code}"').split()
    installed = run(environment, followed, "ls ../../environment*/*/lib/python*/site-packages")

    assert not {"torch", "esper", "codegen", "esper_codegen", "jinja2", "yaml"} & set(modules)
    assert "torch" not in installed


def test_the_checkout_is_not_used(environment, followed):
    found = run(
        environment, followed, 'python -c "import esper_codegen; print(esper_codegen.__file__)"'
    )

    assert found.startswith(str(environment.parent))


def test_the_wheel_holds_templates_licence_and_entry_point(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = {
        f"esper_codegen/templates/{path.relative_to(TEMPLATES).as_posix()}"
        for path in TEMPLATES.rglob("*")
        if path.suffix in (".j2", ".yaml")
    }

    assert templates <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or "tests" in name]
    assert (SOURCE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_source_distribution_is_complete(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert "esper_codegen/templates/channel/writer.py.j2" in names
    assert "esper_codegen/compat/rules/fields.py" in names


def test_the_hooks_run(environment, followed):
    for command in ("init --quiet", "add ."):
        subprocess.run(["git", *command.split()], cwd=followed, check=True)

    printed = run(environment, followed, "pre-commit run --all-files; echo exit code $?")

    assert printed.count("Passed") == 2
    assert printed.endswith("exit code 0\n")


def test_the_repository_offers_the_hooks_of_the_page(environment, followed):
    shown = yaml.safe_load((followed / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    manifest = f"pre-commit validate-manifest {ROOT / '.pre-commit-hooks.yaml'}; echo $?"

    assert run(environment, followed, manifest) == "0\n"
    for hook in hooks:
        del hook["description"]
    assert shown["repos"][0]["hooks"] == hooks


def test_the_commands_in_ci_run(environment, followed):
    blocks = [text for _, language, text in BLOCK.findall(PAGE) if language == "yaml"]
    commands = [
        one
        for text in blocks
        for one in re.findall(r"^ *- (?:run: )?(esper-codegen .*)$", text, re.MULTILINE)
    ]
    assert len(commands) == 5

    for command in [one for one in commands if "git:" not in one]:
        assert run(environment, followed, f"{command} > /dev/null; echo $?") == "0\n"


def test_the_table_with_several_contracts_is_valid(tmp_path):
    (shown,) = [text for _, language, text in BLOCK.findall(PAGE) if language == "toml"]
    path = tmp_path / "pyproject.toml"
    path.write_text(shown, encoding="utf-8")

    (contract,) = read_configuration(path).contracts
    assert contract.file_names["markdown"] == "orders.md"
