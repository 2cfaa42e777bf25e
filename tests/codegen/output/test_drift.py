"""A file that differs from the contract is reported with the reason, a diff and the command that fixes it."""

import re
import shutil
from dataclasses import replace

import pytest

from codegen.__main__ import main
from codegen.compile import compile_contract
from codegen.diagnostics.findings import Findings
from codegen.output import finish, formatting, render
from codegen.output.header import hash_text, split_file
from codegen.output.manifest import COMMENT
from codegen.targets import python
from codegen.targets.table import load_targets
from tests.codegen.tiny import tiny

LIST = "list: it does not name the files, the version and the hashes as they are now"
COMMAND = "run: python -m codegen --spec tiny.yaml --out pings --package pings\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return the folder of the package of the tiny contract, generated once."""
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


def test_unchanged_files_are_clean(generated):
    assert (generated.codegen("check").code, generated.codegen("check").out) == (0, "")


def test_a_file_that_was_edited_by_hand_is_reported(generated):
    path = generated.package / "main.py"
    path.write_text(path.read_text().replace("A ping.", "A pong."))
    ran = generated.codegen("check")
    assert ran.code == 3
    assert reasons(ran) == {"main.py": "hand edit: its text is not as codegen wrote it (PING)"}
    assert '-    """A pong."""\n+    """A ping."""\n' in ran.out
    assert ran.out.endswith(f"1 generated file differs from the contract; {COMMAND}")


@pytest.mark.parametrize("fact", ["spec", "text"])
def test_a_header_that_was_edited_by_hand_is_reported(generated, fact):
    path = generated.package / "main.py"
    path.write_text(re.sub(f"{fact} [0-9a-f]+", f"{fact} 000000000000", path.read_text(), count=1))
    ran = generated.codegen("check")
    assert ran.code == 3
    assert "main.py" in reasons(ran)


def test_a_hand_edit_whose_hash_was_made_again_is_reported_with_and_without_the_cache(generated):
    for path in (generated.package / name for name in ("main.py", "telemetry.ts", "views.sql")):
        text = path.read_text()
        header, body = split_file(path, text)
        edited = body.replace("note", "nose", 1)
        path.write_text(text.replace(body, edited).replace(header.text, hash_text(edited), 1))
    for options in ([], ["--no-cache"], ["--fresh"]):
        ran = generated.codegen("check", *options)
        assert ran.code == 3
        assert set(reasons(ran)) == {"main.py", "telemetry.ts", "views.sql"}
        assert reasons(ran)["main.py"].startswith(
            "generator: changed since, or somebody edited the text and the hash in its header"
        )
    assert "wrote pings/main.py\n" in generated.codegen().out
    assert generated.codegen("check").code == 0


def test_a_changed_contract_is_reported_with_the_parts_that_changed(generated):
    generated.edit("A note.", "A word.")
    ran = generated.codegen("check")
    assert ran.code == 3
    assert reasons(ran)["main.py"] == "contract: changed since (PING)"
    assert "codec.py" not in reasons(ran)


def test_a_changed_generator_is_reported(generated, monkeypatch):
    target, *others = load_targets()
    contract = compile_contract(generated.spec, "tiny.yaml", Findings())
    changed = list(target.render(contract, "pings"))
    chunk = changed[0].chunks[1]
    object.__setattr__(chunk, "text", f"{chunk.text}\n\nINT8_MAX = 127\n")
    altered = replace(target, render=lambda *_: changed)
    monkeypatch.setattr(render, "load_targets", lambda wanted: [altered, *others])
    monkeypatch.setattr(render.Gate, "check", lambda *_: None)
    assert reasons(generated.codegen("check", "--no-cache")) == {
        "checks.py": "generator: changed since, or somebody edited the text and the hash in its header (checks)",
        "generated.json": LIST,
    }


def test_a_changed_formatter_is_reported(generated, monkeypatch):
    for module in (finish, formatting):
        monkeypatch.setattr(module, "installed_version", lambda: "27.1.0")
    monkeypatch.setattr(formatting, "pinned_version", lambda path: "27.1.0")
    monkeypatch.setattr("codegen.commands.options.pinned_version", lambda path: "27.1.0")
    found = reasons(generated.codegen("check"))
    assert found["main.py"] == "formatter: written with black 26.10.1, now black 27.1.0"
    assert "telemetry.ts" not in found


def test_a_missing_and_an_extra_file_are_reported(generated):
    (generated.package / "main.py").rename(generated.package / "other.py")
    found = reasons(generated.codegen("check"))
    assert found == {
        "main.py": "missing: it was never generated, or was removed",
        "other.py": "extra: it was not written by codegen and is in its folder; move it",
    }


def test_a_foreign_file_is_reported_and_never_overwritten(generated):
    path = generated.package / "main.py"
    path.write_text("# mine\n")
    assert reasons(generated.codegen("check"))["main.py"] == (
        "foreign: it has no header of codegen"
    )
    ran = generated.codegen()
    assert ran.code == 2
    assert (
        "main.py is in the way: codegen did not write it for tiny.yaml; move or remove it"
        in ran.err
    )
    assert path.read_text() == "# mine\n"


def test_a_foreign_module_in_the_folder_is_reported(generated):
    (generated.package / "notes.py").write_text("# mine\n")
    assert reasons(generated.codegen("check")) == {
        "notes.py": "extra: it was not written by codegen and is in its folder; move it"
    }


@pytest.mark.parametrize("name", ["main/__init__.py", "main.pyi", "main.so", "deep/er/main.py"])
def test_a_module_that_could_be_imported_instead_is_reported(generated, name):
    (generated.package / name).parent.mkdir(parents=True, exist_ok=True)
    (generated.package / name).write_text("")
    assert list(reasons(generated.codegen("check"))) == [name]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"# Generated by codegen from \xff\n"])
def test_a_damaged_file_is_reported(generated, data):
    (generated.package / "main.py").write_bytes(data)
    ran = generated.codegen("check")
    assert (ran.code, list(reasons(ran))) == (3, ["main.py"])


def test_other_line_ends_are_drift_and_called_so(generated):
    for path in generated.package.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    ran = generated.codegen("check")
    assert ran.code == 3
    assert all(reason.startswith("line ends: they are CRLF") for reason in reasons(ran).values())
    assert set(reasons(ran)) == set(generated.files())
    assert "+++" not in ran.out
    generated.generate()
    assert generated.codegen("check").code == 0


def test_a_header_that_names_another_contract_is_explained(generated):
    path = generated.package / "main.py"
    path.write_text(path.read_text().replace("from tiny.yaml", "from /home/ada/tiny.yaml"))
    assert reasons(generated.codegen("check"))["main.py"].startswith(
        "header: it names another contract or command: /home/ada/tiny.yaml"
    )


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: text.replace("1.2.0", "1.1.0"), LIST),
        (lambda text: re.sub('"main.py": "[0-9a-f]+",', "", text), LIST),
        (lambda text: text[:-20], "damaged: .*generated.json is damaged: "),
        (lambda text: "[]", "damaged: .*generated.json is not a list of generated files"),
        (lambda text: text.replace("tiny.yaml", "other.yaml"), "foreign: by its generated.json"),
        (lambda text: text.replace("  ", "\t"), LIST),
    ],
)
def test_an_edited_list_of_generated_files_is_reported(generated, edit, reason):
    path = generated.package / "generated.json"
    path.write_text(edit(path.read_text()))
    found = reasons(generated.codegen("check"))
    assert list(found) == ["generated.json"]
    assert re.match(reason, found["generated.json"])


@pytest.mark.parametrize(
    ("name", "data", "remedy"),
    [
        ("generated.json", "{COMMENT}", "run: python -m codegen --spec tiny.yaml --out pings --package pings --adopt"),
        ("other.py", "X = 1", "move or remove each that codegen did not write, or that was changed"),
    ],
)  # fmt: skip
def test_the_remedy_is_one_that_works(generated, name, data, remedy):
    (generated.package / name).write_text(data.replace("{COMMENT}", COMMENT))
    assert generated.codegen("check").out.endswith(f" from the contract; {remedy}\n")
    if remedy.startswith("run"):
        generated.generate(None, "--adopt")
    else:
        (generated.package / name).unlink()
    assert generated.codegen("check").code == 0


def test_of_a_changed_contract_no_file_is_called_edited(generated):
    generated.edit("A note.", "A word.")
    generated.edit("1.2.0", "1.3.0")
    found = reasons(generated.codegen("check"))
    assert {"telemetry.schema.json", "telemetry.ts", "registry.py"} <= set(found)
    texts = {one for name, one in found.items() if name != "generated.json"}
    assert all(one.startswith("contract: changed since") for one in texts), texts


def test_a_long_diff_is_printed_on_request(generated):
    for path in generated.package.glob("*.py"):
        path.unlink()
    short, long = generated.codegen("check").out, generated.codegen("check", "--diff").out
    assert len(short.splitlines()) < 60
    assert "lines; --diff prints it\n" in short
    assert long.count("+++ pings/main.py") == 1


def test_checking_changes_no_file_and_needs_no_version_control(generated):
    before = {path: path.stat().st_mtime_ns for path in generated.package.iterdir()}
    generated.edit("A note.", "A word.")
    generated.codegen("check")
    assert {path: path.stat().st_mtime_ns for path in generated.package.iterdir()} == before


def test_formatting_part_by_part_is_formatting_the_whole(generated):
    for name, text in generated.files().items():
        if name.endswith(".py"):
            assert formatting.format_source(text) == text, name


def test_formatting_everything_again_gives_the_same(generated):
    assert generated.codegen("check", "--no-cache").code == 0
    before = generated.files()
    shutil.rmtree(generated.package)
    generated.generate(None, "--no-cache")
    assert generated.files() == before


def test_a_change_of_the_generator_that_changes_no_text_rewrites_no_file(generated, monkeypatch):
    """The templates get other white space, which black removes, and every class of the model an unused attribute."""
    rendered = python.render

    def render_differently(contract, package):
        for output in rendered(contract, package):
            chunks = [replace(one, text=one.text.replace("(", "( ", 1)) for one in output.chunks]
            yield replace(output, chunks=tuple(chunks))

    target = replace(python.TARGET, render=render_differently)
    monkeypatch.setattr(python, "TARGET", target)
    before = {path: path.stat().st_mtime_ns for path in generated.package.iterdir()}
    assert generated.codegen("check", "--no-cache").out == ""
    assert generated.codegen("generate", "--no-cache").out == ""
    assert {path: path.stat().st_mtime_ns for path in generated.package.iterdir()} == before


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
