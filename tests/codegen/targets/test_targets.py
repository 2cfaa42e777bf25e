"""Every target prints only quoted text, and writes the same bytes for the same contract."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.diagnostics.errors import UnprintableError
from codegen.languages.markdown.quoting import Markdown
from codegen.languages.printable import TEMPLATES, Printable, environment
from codegen.languages.python.quoting import Python
from codegen.languages.sql.quoting import Sql
from codegen.languages.typescript import TypeScript
from codegen.output.formatting import format_source
from codegen.output.layout import PROJECT
from codegen.targets.table import load_targets

LANGUAGES: dict[str, type[Printable]] = {
    "arrow": Python,
    "channel": Python,
    "markdown": Markdown,
    "python": Python,
    "sql": Sql,
    "strategies": Python,
    "typescript": TypeScript,
}


def test_files_are_formatted_in_one_pass(generated):
    """`black.format_str` formats twice, and the compiler once, so once more may change nothing."""
    for path in generated.layout.roots["package"].glob("*.py"):
        text = format_source(path.read_text(encoding="utf-8"))
        assert format_source(text) == text, path.name


def test_every_folder_of_templates_has_its_language():
    # The folder `starter` holds the first contract that `init` writes.
    assert sorted(path.name for path in TEMPLATES.iterdir()) == sorted([*LANGUAGES, "starter"])


@pytest.mark.parametrize("target", LANGUAGES)
def test_text_that_is_not_quoted_is_not_printed(target):
    template = environment(target, LANGUAGES[target]).from_string("{{ text }}")
    with pytest.raises(
        UnprintableError, match=f"a template of {target} may print .* only, got str"
    ):
        template.render(text="plain")


@pytest.mark.parametrize("target", LANGUAGES)
def test_text_of_another_language_is_not_printed(target):
    language = LANGUAGES[target]
    other: type[Printable] = Sql if language is Markdown else Markdown
    template = environment(target, language).from_string("{{ text }}")
    assert template.render(text=language("fine")) == "fine"
    with pytest.raises(UnprintableError, match=f"got {other.__name__}"):
        template.render(text=other("quoted, but for something else"))


def test_no_two_targets_write_the_same_file(everything):
    written = [
        (target.root, path)
        for target in load_targets()
        for path in target.outputs(everything.contract)
    ]
    assert len(written) == len(set(written))


def test_the_same_contract_gives_the_same_bytes(everything, tmp_path):
    outputs = [generate(everything.layout.spec, tmp_path / seed, seed) for seed in ("1", "2")]
    assert "views.sql" in outputs[0]
    assert outputs[0] == outputs[1]


def generate(spec: Path, folder: Path, seed: str) -> dict[str, bytes]:
    """Generate in a process whose sets have an order of their own."""
    command = [sys.executable, "-m", "codegen", "--no-format", "--no-cache", "--spec", spec.name]
    command += ["--out", "out", "--package", "out"]
    folder.mkdir()
    shutil.copy(spec, folder)
    environ = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)}
    subprocess.run(command, check=True, cwd=folder, env=environ, capture_output=True)
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
