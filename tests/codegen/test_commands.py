"""The command line writes files, refuses wrong input, and returns the right exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from codegen.output import formatting
from codegen.output.layout import PROJECT
from tests.codegen.tiny import tiny


def test_generating_writes_the_package_and_then_has_nothing_to_do(project):
    first = project.codegen()
    assert first.code == 0
    assert "wrote pings/main.py\n" in first.out
    assert project.codegen().out == ""


def test_the_same_contract_gives_the_same_bytes_whatever_the_hash_seed(project):
    texts = set()
    for seed in ("0", "1", "random"):
        command = [sys.executable, "-m", "codegen", "--no-format"]
        layout = ["--spec", str(project.spec), "--out", str(project.package), "--package", "pings"]
        environment = {"PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo", "PATH": ""}
        subprocess.run(
            [*command, *layout], cwd=PROJECT, env=environment, check=True, capture_output=True
        )
        texts.add("".join(project.files().values()))
    assert len(texts) == 1


def test_only_files_that_changed_are_written(project):
    two = "{main: {doc: Everything.}, rest: {doc: The rest.}}"
    text = tiny().replace("{main: {doc: Everything.}}", two)
    pong = "  PONG: {doc: A pong., family: rest, payload: PongPayload}\n"
    project.generate(text + pong)
    project.edit("A pong.", "An answer.")
    assert set(project.codegen().out.split()) == {
        "wrote",
        "pings/rest.py",
        "pings/rest_wire.py",
        "pings/fields.py",
        "pings/telemetry.schema.json",
        "pings/telemetry.reader.schema.json",
        "pings/telemetry.ts",
        "pings/views.sql",
        "pings/generated.json",
    }


def test_files_that_no_longer_belong_to_the_contract_are_removed(project):
    two = "{main: {doc: Everything.}, rest: {doc: The rest.}}"
    pong = "  PONG: {doc: A pong., family: rest, payload: PongPayload}\n"
    project.generate(tiny().replace("{main: {doc: Everything.}}", two) + pong)
    stranger = project.package / "notes.py"
    stranger.write_text("# mine\n", encoding="utf-8")
    project.spec.write_text(tiny(), encoding="utf-8")
    out = project.codegen().out
    assert "removed pings/rest.py\n" in out
    assert stranger.exists()


def test_a_dry_run_and_a_diff_print_the_changes_and_write_nothing(project):
    assert "would write pings/main.py\n" in project.codegen("--dry-run").out
    assert "+class PingPayload(Payload):\n" in project.codegen("--diff").out
    assert not project.package.exists()


def test_a_contract_with_errors_writes_nothing(project):
    project.edit("type: str", "type: strr")
    ran = project.codegen()
    assert ran.code == 2
    assert ran.err.startswith(
        'tiny.yaml:13:20: error REF001 unknown type "strr"; did you mean "str"?'
    )
    assert not project.package.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["chek"], 'no command "chek"; did you mean "check"?'),
        (["--spec", "tiny.yaml"], "--spec, --out and --package belong together; give all three"),
        (["--package", "a b", "--spec", "x", "--out", "y"], "--package must be a dotted name like audit.events"),
        (["--package", "class", "--spec", "x", "--out", "y"], "--package must be a dotted name"),
        (["--package", "p", "--spec", "a\nb", "--out", "y"], "--spec must be a path of plain characters"),
        (["--target", "nothing"], "invalid choice: 'nothing'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_explained(project, arguments, complaint):
    ran = project.codegen(*arguments, layout=())
    assert ran.code == 2
    assert complaint in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("arguments", [["help"], ["schema"], ["--version"]])
def test_a_full_disk_is_one_sentence(arguments):
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=PROJECT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert ran.returncode != 0
    assert "codegen: No space left on device\n" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_another_black_than_the_pinned_one_is_refused(project, monkeypatch):
    monkeypatch.setattr(formatting, "installed_version", lambda: "25.1.0")
    ran = project.codegen()
    assert ran.code == 2
    assert (
        "generated code is formatted by black 26.10.1, but 25.1.0 is installed; run: pip" in ran.err
    )
    assert project.codegen("--no-format").code == 0


def test_one_target_leaves_the_files_of_the_others_alone(project):
    project.generate()
    project.edit("A note.", "A word.")
    assert set(project.codegen("--target", "sql").out.split()) <= {
        "wrote",
        "pings/views.sql",
        "pings/generated.json",
    }
    assert "A note." in project.files()["main.py"]
    assert "telemetry.ts" in project.files()


def test_a_watcher_generates_again_after_a_change(project):
    command = [sys.executable, "-m", "codegen", "--watch", "--no-format", "--target", "python"]
    layout = ["--spec", str(project.spec), "--out", str(project.package), "--package", "pings"]
    with subprocess.Popen(
        [*command, *layout], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watcher:
        try:
            lines = iter(watcher.stdout.readline, "")
            assert any("watching" in line for line in lines)
            project.edit("A note.", "A word.")
            assert any(line.endswith("main.py\n") for line in lines)
            project.edit("type: str", "type: strr")
            assert "REF001" in watcher.stderr.readline()
        finally:
            watcher.terminate()
