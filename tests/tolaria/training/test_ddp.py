"""DDP copes with each change of a seed's stage as `docs/howto/optimizer.md` says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch import distributed

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "optimizer.md"
ROW = re.compile(r"^\| ([a-z][^|`]*?) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="needs gloo")
def test_each_change_of_stage_needs_what_the_page_says():
    text = PAGE.read_text(encoding="utf-8").partition("## DDP")[2].partition("\n## ")[0]
    modes = ("unchanged", "find_unused_parameters", "wrapped again")
    said = {
        change: dict(zip(modes, outcomes, strict=True))
        for change, *outcomes in ROW.findall(text)[1:]  # without the head of the table
    }

    done = subprocess.run(
        [sys.executable, "-m", "tests.tolaria.training.ddp_life"],
        cwd=PAGE.parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == said
