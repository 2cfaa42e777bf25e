"""The public modules, `esper` and `esper.telemetry`: every name exists, is typed and is documented."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import esper
import esper.telemetry

ROOT = Path(__file__).parents[1]
NAMES = [name for name in esper.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented_where_it_is_defined(name):
    value = getattr(esper, name)

    assert inspect.getdoc(value)
    assert value.__module__.startswith("esper.")


@pytest.mark.parametrize("name", esper.telemetry.__all__)
def test_a_public_name_of_telemetry_exists(name):
    assert hasattr(esper.telemetry, name)


def test_dir_lists_every_public_name_before_it_is_imported():
    code = "import sys, esper; print(*dir(esper)); sys.exit('torch' in sys.modules)"

    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert set(esper.__all__) <= set(listed.stdout.split())


def test_the_telemetry_module_needs_no_import_of_its_own():
    code = "import sys, esper; esper.telemetry.SCHEMA_PATH; sys.exit('torch' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match=r'esper has no "Governor"; it has: .*TolariaGovernor'):
        esper.Governor  # noqa: B018 - the look-up is what is tested


def test_type_checkers_see_the_same_names_as_the_interpreter():
    tree = ast.parse((ROOT / "src" / "esper" / "__init__.py").read_text(encoding="utf-8"))
    block, _ = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}

    assert typed.pop("telemetry") == "esper"
    assert typed == esper._HOMES
    assert set(typed) == set(NAMES)


def test_a_type_checker_finds_a_misspelt_name(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from esper import TolariaGovernr, Verdict\n")
    # Only these two files are checked: PyTorch's types would take half a minute.
    arguments = ["--config-file=", "--follow-imports=skip", script, "src/esper/__init__.py"]

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert '"esper" has no attribute "TolariaGovernr"' in checked.stdout
    assert "Verdict" not in checked.stdout


def test_the_contract_for_other_readers_is_on_disk():
    paths = (
        esper.telemetry.SCHEMA_PATH,
        esper.telemetry.VIEWS_PATH,
        esper.telemetry.TYPESCRIPT_PATH,
    )

    assert all(path.is_file() for path in paths)
