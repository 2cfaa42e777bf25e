"""The example notebook runs from top to bottom, and shows tables and charts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import esper
from tests.karn.sql.runs import write_run

NOTEBOOK = Path(__file__).parents[1] / "examples" / "look_at_a_run.ipynb"
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600).execute()
nbformat.write(notebook, "executed.ipynb")
"""


def _skip_without(*modules):
    for module in modules:
        pytest.importorskip(module, reason=f"not run without {module}: pip install {module}")


def test_every_cell_runs_and_shows_its_answer(tmp_path):
    _skip_without(
        "nbclient", "nbformat", "ipykernel", "altair", "vl_convert", "duckdb", "pyarrow", "polars"
    )
    pytest.importorskip("esper.karn.charts")
    write_run(tmp_path / "runs", "one")

    subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=900,
    )

    cells = json.loads((tmp_path / "executed.ipynb").read_text())["cells"]
    shown = [set(cell["outputs"][-1]["data"]) for cell in cells if cell["cell_type"] == "code"]
    charts = [one for one in shown if "image/svg+xml" in one]
    assert len(charts) == 3
    assert "text/html" in shown[0]


def test_the_notebook_is_stored_without_answers():
    cells = json.loads(NOTEBOOK.read_text())["cells"]

    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")


def test_a_run_has_a_plot_for_each_chart(tmp_path):
    _skip_without("altair")
    catalog = pytest.importorskip("esper.karn.charts.catalog")
    view = esper.read(write_run(tmp_path, "one"))

    for name in catalog.CHARTS:
        assert getattr(view, f"plot_{name}")(theme="dark").to_dict()["$schema"]
