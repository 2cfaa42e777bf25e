"""The commands and the code on the page "Esper in your house's tools" run as they stand there."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from esper.cli import main
from esper.leyline.errors import MissingExtraError
from esper.nissa.hub import Hub
from esper.nissa.log import RunLog
from esper.nissa.reader import read_run
from esper.nissa.shipping.config import load_config
from esper.nissa.shipping.registry import check_installed, load_sink
from tests.nissa.sample_events import emit_whole_run

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "howto" / "house_tools.md").read_text(encoding="utf-8")
MAX_LINES = 10


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands():
    lines = [
        line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()
    ]
    # `esper train` is in its own test, because it trains for a minute.
    return [line for line in lines if line.startswith("esper ") and " train" not in line]


@pytest.fixture
def collector(monkeypatch):
    """Run a collector at the address that the environment names."""
    from tests.nissa.log_sinks.otlp_collector import Collector

    collector = Collector()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    yield collector
    collector.close()
    assert collector.spans()


@pytest.mark.parametrize("block", blocks("sh"), ids=lambda block: block.split("#")[0].strip())
def test_a_tool_needs_few_lines(block):
    assert len(block.splitlines()) <= MAX_LINES


def test_the_pictures_are_small_described_and_taken_by_the_command():
    pictures = re.findall(r"!\[(.*)\]\(\.\./_static/(.*)\)", PAGE)
    script = (DOCS / "screenshots.py").read_text(encoding="utf-8")

    assert len(pictures) == 4
    for description, name in pictures:
        assert len(description) > 50
        assert (DOCS / "_static" / name).stat().st_size < 150_000, name
        assert f'"{name}"' in script


@pytest.mark.parametrize("command", commands())
def test_a_command_runs(command, tmp_path, monkeypatch, capfd, request):
    monkeypatch.chdir(tmp_path)
    with Hub("run") as hub:
        hub.attach(RunLog(Path("runs") / "run"))
        emit_whole_run(hub.channel(env_id=0))
    arguments = shlex.split(command)[1:]
    for name in re.findall(r"--to (\w+)", command) if " ship " in command else ():
        try:
            check_installed(load_sink(name), name)
        except MissingExtraError:
            pytest.skip(f"not run without the extra {name}: make test-sinks")
    if "--to parquet" in command:
        pytest.importorskip("pyarrow", reason="not run without pyarrow: pip install pyarrow")
    if "--to otlp" in command:
        request.getfixturevalue("collector")

    assert main(arguments) == 0
    assert capfd.readouterr().err == ""


READERS = [block for block in blocks("python") if "Sink" not in block]


@pytest.mark.parametrize("block", READERS, ids=lambda block: block.split()[1])
def test_a_reader_of_the_page_reads_a_run(block, tmp_path, monkeypatch, capsys):
    library = block.split()[1]
    # The page reads an export, which pyarrow writes.
    for needed in ("pyarrow", "polars" if library == "esper" else library):
        pytest.importorskip(needed, reason=f"not run without {needed}: pip install {needed}")
    assert len(block.splitlines()) <= MAX_LINES
    monkeypatch.chdir(tmp_path)
    with Hub("run") as hub:
        hub.attach(RunLog(Path("runs") / "run"))
        emit_whole_run(hub.channel(env_id=0))
    main(["export", "latest", "--to", "parquet"])
    best = max(
        payload.val_accuracy
        for envelope, payload in read_run("runs/run")
        if envelope.event == "EPOCH_COMPLETED"
    )

    exec(compile(block, "house_tools.md", "exec"), {})

    assert f"{best}" in capsys.readouterr().out


def test_the_settings_are_valid(tmp_path):
    (block,) = blocks("toml")
    path = tmp_path / "ship.toml"
    path.write_text(block)

    assert load_config(path, "tensorboard", {}).exclude == ("METRICS_LOGGED",)
    assert tomllib.loads(block)["defaults"]["max_failures"] == 20


def test_the_sink_of_the_page_passes_its_own_tests(tmp_path):
    sink = [block for block in blocks("python") if "Sink" in block]
    (tmp_path / "test_my_sink.py").write_text("\n\n".join(sink))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "9 passed" in done.stdout
