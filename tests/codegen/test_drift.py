"""A file that is not what the contract says is named with the reason, the difference and the way out."""

import re
import shutil

import pytest

from codegen import finish, formatting, render
from codegen.__main__ import main
from codegen.compile import compile_contract
from codegen.findings import Findings
from codegen.targets.table import load_targets
from tests.codegen.tiny import tiny

COMMAND = "run: python -m codegen --spec tiny.yaml --out pings --package pings\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package of the tiny contract, generated once."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "tiny.yaml").write_text(tiny())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["--spec", "tiny.yaml", "--out", "pings", "--package", "pings"]) == 0
    return folder / "pings"


@pytest.fixture
def generated(project, package):
    shutil.copytree(package, project.package)
    return project


def reasons(ran):
    return dict(re.findall(r"^pings/(\S+): (.*)$", ran.out, re.MULTILINE))


def test_files_that_are_as_they_should_be_are_clean(generated):
    assert (generated.codegen("check").code, generated.codegen("check").out) == (0, "")


def test_a_file_that_was_edited_by_hand_is_named(generated):
    path = generated.package / "main.py"
    path.write_text(path.read_text().replace("A ping.", "A pong."))
    ran = generated.codegen("check")
    assert ran.code == 3
    assert reasons(ran) == {"main.py": "hand edit: its text is not what codegen wrote"}
    assert '-    """A pong."""\n+    """A ping."""\n' in ran.out
    assert ran.out.endswith(f"1 generated file is not what the contract says; {COMMAND}")


@pytest.mark.parametrize("what", ["spec", "text"])
def test_a_header_that_was_edited_by_hand_is_named(generated, what):
    path = generated.package / "main.py"
    path.write_text(re.sub(f"{what} [0-9a-f]+", f"{what} 000000000000", path.read_text(), count=1))
    ran = generated.codegen("check")
    assert ran.code == 3
    assert "main.py" in reasons(ran)


def test_a_contract_that_has_changed_is_named_with_what_changed_in_it(generated):
    generated.edit("A note.", "A word.")
    ran = generated.codegen("check")
    assert ran.code == 3
    assert reasons(ran)["main.py"] == "contract: changed since (PING)"
    assert "codec.py" not in reasons(ran)


def test_a_generator_that_has_changed_is_named(generated, monkeypatch):
    python, *others = load_targets()
    monkeypatch.setattr(render, "generator_hash", lambda target: "0123456789ab")
    assert generated.codegen("check").code == 0, "it still makes the same of the contract"
    contract = compile_contract(generated.spec, "tiny.yaml", Findings())
    changed = [one.render() for one in python.render(contract, "pings")]
    chunk = changed[0].chunks[1]
    object.__setattr__(chunk, "text", f"{chunk.text}\n\nINT8_MAX = 127\n")
    altered = type(python)(python.name, python.root, python.outputs, lambda *_: changed)
    monkeypatch.setattr(render, "load_targets", lambda wanted: [altered, *others])
    monkeypatch.setattr(render.Gate, "check", lambda *_: None)
    assert reasons(generated.codegen("check")) == {"checks.py": "generator: changed since"}


def test_a_formatter_that_has_changed_is_named(generated, monkeypatch):
    for module in (finish, formatting):
        monkeypatch.setattr(module, "installed_version", lambda: "27.1.0")
    monkeypatch.setattr(formatting, "pinned_version", lambda path: "27.1.0")
    monkeypatch.setattr("codegen.commands.options.pinned_version", lambda path: "27.1.0")
    found = reasons(generated.codegen("check"))
    assert found["main.py"] == "formatter: written with black 26.10.1, now black 27.1.0"
    assert "telemetry.ts" not in found


def test_a_missing_and_an_extra_file_are_named(generated):
    (generated.package / "main.py").rename(generated.package / "other.py")
    found = reasons(generated.codegen("check"))
    assert found == {
        "main.py": "missing: it was never generated, or was removed",
        "other.py": "extra: nothing in the contract asks for it any more",
    }


def test_a_file_of_somebody_else_is_named_and_never_overwritten(generated):
    path = generated.package / "main.py"
    path.write_text("# mine\n")
    assert reasons(generated.codegen("check"))["main.py"] == (
        "foreign: it bears no header of codegen"
    )
    ran = generated.codegen()
    assert ran.code == 2
    assert "main.py is in the way, and was not written by codegen; move or remove it" in ran.err
    assert path.read_text() == "# mine\n"


def test_checking_touches_nothing_and_needs_no_version_control(generated):
    before = {path: path.stat().st_mtime_ns for path in generated.package.iterdir()}
    generated.edit("A note.", "A word.")
    generated.codegen("check")
    assert {path: path.stat().st_mtime_ns for path in generated.package.iterdir()} == before


def test_a_file_whose_header_certifies_another_text_is_formatted_again(generated):
    path = generated.package / "main.py"
    path.write_text(path.read_text().replace("if not channel", "if  not channel"))
    assert generated.codegen("check").code == 3
    generated.codegen()
    assert "if not channel" in path.read_text()


def test_formatting_part_by_part_is_formatting_the_whole(generated):
    for name, text in generated.files().items():
        if name.endswith(".py"):
            assert formatting.format_source(text) == text, name


def test_formatting_everything_again_gives_the_same(generated):
    assert generated.codegen("check", "--fresh").code == 0
    before = generated.files()
    shutil.rmtree(generated.package)
    generated.codegen()
    assert generated.files() == before


def test_unchanged_events_are_not_formatted_again(generated, monkeypatch):
    pong = "  PONG: {doc: A pong., family: main, payload: PongPayload}\n"
    generated.generate(tiny() + pong)
    formatted = []

    def count(source):
        formatted.append(source)
        return formatting.format_source(source)

    monkeypatch.setattr(finish, "format_source", count)
    generated.edit("A pong.", "An answer.")
    generated.codegen()
    assert formatted
    assert not any("PingPayload(Payload)" in source for source in formatted)
