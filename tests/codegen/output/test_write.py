"""Generated files stay below their roots, are written completely or not at all, and follow no links."""

import contextlib
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from codegen.diagnostics.errors import PathError
from codegen.output import render
from codegen.output.layout import PROJECT, resolve_below
from codegen.targets.table import load_targets
from codegen.targets.target import Chunk, Output
from tests.codegen.tiny import tiny

LAYOUT = ["--spec", "tiny.yaml", "--out", "pings", "--package", "pings"]
TWO_FAMILIES = tiny().replace(
    "{main: {doc: Everything.}}", "{main: {doc: Everything.}, rest: {doc: The rest.}}"
) + "  PONG: {doc: A pong., family: rest, payload: PongPayload}\n"  # fmt: skip


def test_a_target_renders_exactly_the_files_that_it_declares(project, monkeypatch):
    python, *_ = load_targets()

    def render_more(contract, package):
        yield from python.render(contract, package)
        yield Output("more.py", (Chunk("", "MORE = 1\n"),))

    def render_less(contract, package):
        yield from list(python.render(contract, package))[1:]

    for altered, complaint in (
        (render_more, "target python rendered more.py twice, or does not declare it"),
        (render_less, "target python did not render checks.py"),
    ):
        target = replace(python, render=altered)
        monkeypatch.setattr(render, "load_targets", lambda wanted, target=target: [target])
        assert complaint in project.codegen("--no-cache").err
        assert not project.package.exists()


def test_several_processes_can_generate_at_once(project):
    command = [sys.executable, "-m", "codegen", "--no-format"]
    layout = ["--spec", str(project.spec), "--out", str(project.package), "--package", "pings"]
    running = [subprocess.Popen([*command, *layout], cwd=PROJECT) for _ in range(3)]
    assert [one.wait() for one in running] == [0, 0, 0]
    assert all(path.suffix in (".py", ".ts", ".sql", ".json") for path in project.package.iterdir())


@pytest.mark.parametrize("path", ["../outside.py", "a/../../outside.py", "/etc/outside.py"])
def test_a_path_that_leads_out_of_its_root_is_refused(tmp_path, path):
    with pytest.raises(PathError, match="a generated file stays below"):
        resolve_below(tmp_path / "root", path)


def test_a_link_in_the_place_of_a_file_is_refused(project):
    outside = project.folder / "outside.py"
    outside.write_text("# mine\n")
    project.package.mkdir()
    (project.package / "main.py").symlink_to(outside)
    ran = project.codegen()
    assert ran.code == 2
    assert "main.py is a symbolic link, which generated files do not follow; remove it" in ran.err
    assert outside.read_text() == "# mine\n"


def test_a_link_in_the_place_of_the_folder_is_refused(project):
    (project.folder / "elsewhere").mkdir()
    project.package.symlink_to(project.folder / "elsewhere")
    ran = project.codegen()
    assert ran.code == 2
    assert "pings is a symbolic link" in ran.err
    assert not list((project.folder / "elsewhere").iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary_one(project, monkeypatch):
    project.generate()
    before = project.files()
    project.edit("A note.", "A word.")

    def fail(source, target):
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(os, "replace", fail)
    ran = project.codegen()
    assert ran.code == 2
    assert "No space left on device" in ran.err
    assert project.files() == before


@pytest.mark.parametrize("limit", [100, 1_000, 2_000])
def test_a_full_disk_changes_no_file(project, limit):
    """A limit on the size of files stands for the full disk: writing fails in the middle, by the same call."""
    project.generate(None, "--no-format")
    project.edit("A note.", "A word.")
    before = files_below(project.folder)
    ran = run_limited(project, limit)
    assert ran.returncode == 2
    assert re.fullmatch(r"codegen: \S*pings/\S+: File too large\n", ran.stderr)
    assert files_below(project.folder) == before


def test_a_full_disk_leaves_no_new_folder(project):
    ran = run_limited(project, 100)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert not project.package.exists()


def test_a_cache_that_cannot_be_written_is_done_without(project, tmp_path_factory, monkeypatch):
    file = tmp_path_factory.mktemp("elsewhere") / "file"
    file.write_text("")
    monkeypatch.setenv("ESPER_CODEGEN_CACHE", str(file / "below"))
    project.generate()
    assert project.codegen("check").code == 0


def test_a_folder_that_may_not_be_written_is_reported(project, monkeypatch):
    project.generate(None, "--no-format")
    project.edit("A note.", "A word.")
    before = project.files()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "/secret/.main.py.x1.codegen-tmp")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    ran = project.codegen("--no-format", "--no-cache")
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"codegen: \S+/pings/\S+: Permission denied\n", ran.err)
    assert project.files() == before


def test_a_folder_that_cannot_be_created_is_reported(project):
    project.package.write_text("a file")
    ran = project.codegen()
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "pings" in ran.err


@pytest.mark.parametrize("library", ["yaml", "jinja2"])
def test_a_missing_library_is_one_sentence(project, library):
    """A module of the same name that cannot be imported stands for the missing library."""
    (project.folder / f"{library}.py").write_text(
        f"raise ModuleNotFoundError('No module named {library}', name='{library}')"
    )
    command = [sys.executable, "-m", "codegen", "check", "--no-cache", "--no-format", *LAYOUT]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(project.folder), str(PROJECT)])}
    ran = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 2
    distribution = {"yaml": "PyYAML"}.get(library, library)
    assert ran.stderr == (
        f"codegen: the package {library} is missing; run: pip install {distribution}\n"
    )


def test_what_a_killed_run_leaves_is_reported_and_cleaned_up(project):
    project.generate(None, "--no-format")
    for name in (".main.py.k1ll.codegen-tmp", ".generated.json.d3ad.codegen-tmp"):
        (project.package / name).write_text("half")
    ran = project.codegen("check", "--no-format")
    assert ran.code == 3
    assert "pings/.main.py.k1ll.codegen-tmp: left over: a run was killed while it wrote this" in ran.out  # fmt: skip
    assert project.codegen("--no-format").code == 0
    assert project.codegen("check", "--no-format").code == 0
    assert not list(project.package.glob(".*"))


@pytest.mark.parametrize("num_calls", range(12))
def test_a_run_that_is_killed_at_any_replacement_is_cleaned_up_by_the_next(project, num_calls):
    """The process ends without cleaning up, in the middle of a change that adds and removes files."""
    project.generate(TWO_FAMILIES, "--no-format")
    project.edit("rest", "more")
    program = (
        "import os, sys\n"
        "from codegen.__main__ import main\n"
        "calls = []\n"
        "def counted(act):\n"
        "    def call(*given, **more):\n"
        "        calls.append(act)\n"
        f"        if len(calls) > {num_calls}: os._exit(9)\n"
        "        return act(*given, **more)\n"
        "    return call\n"
        "os.replace = counted(os.replace)\n"
        "os.unlink = counted(os.unlink)\n"
        f"sys.exit(main(['--no-format', *{LAYOUT!r}]))\n"
    )
    ran = run_python(project, program)
    assert ran.returncode in (9, 0)
    if ran.returncode == 9:
        assert project.codegen("check", "--no-format").code == 3
    # The contract changes again, so the names of the killed run are stale as well.
    project.spec.write_text(tiny())
    assert project.codegen("--no-format").code == 0
    assert project.codegen("check", "--no-format").code == 0
    assert not [name for name in project.files() if "rest" in name or "more" in name]


def test_runs_that_are_killed_at_random_moments_leave_nothing(project):
    command = [sys.executable, "-m", "codegen", "--no-format", "--target", "python", *LAYOUT]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    for step in range(8):
        project.spec.write_text((tiny(), TWO_FAMILIES)[step % 2])
        running = subprocess.Popen(
            command, cwd=project.folder, env=environment, stdout=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.15 + step * 0.05)
        running.kill()
        running.wait()
    project.spec.write_text(tiny())
    assert project.codegen("--no-format").code == 0
    assert project.codegen("check", "--no-format").code == 0
    assert not [name for name in project.files() if name.startswith(".") or "rest" in name]


def test_runs_with_different_contracts_at_once_leave_one_of_the_two(project):
    """Three processes write one state of the contract while three write another, and one of them wins as a whole."""
    other = project.folder / "other"
    other.mkdir()
    specs = {"tiny.yaml": tiny(), "other/tiny.yaml": TWO_FAMILIES}
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    program = (
        "import sys, pathlib; from codegen.commands import command; from codegen.__main__ import main\n"
        "compile_contract = command.compile_contract\n"
        "text = pathlib.Path(sys.argv[1])\n"
        "command.compile_contract = lambda path, *rest: compile_contract(text, *rest)\n"
        f"sys.exit(main(['--no-format', '--target', 'python', *{LAYOUT!r}]))\n"
    )
    for name, text in specs.items():
        (project.folder / name).write_text(text)
    running = [
        subprocess.Popen([sys.executable, "-c", program, name], cwd=project.folder, env=environment, stdout=subprocess.DEVNULL)
        for name in (*specs, *specs)
    ]  # fmt: skip
    assert [one.wait() for one in running] == [0, 0, 0, 0]
    states = []
    for text in specs.values():
        project.spec.write_text(text)
        states.append(project.codegen("check", "--no-format", "--target", "python").code)
    assert sorted(states) == [0, 3]


def files_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_python(project, program):
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True
    )


def run_limited(project, num_bytes):
    """Generate in a process that cannot write files of more than `num_bytes`."""
    return run_python(
        project,
        "import resource, signal, sys\n"
        "from codegen.__main__ import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({num_bytes}, {num_bytes}))\n"
        f"sys.exit(main(['--no-format', '--no-cache', *{LAYOUT!r}]))\n",
    )
