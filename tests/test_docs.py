"""The documentation is complete, its links have targets, and the site builds without a warning."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

import esper
import esper.telemetry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "src").rglob("*.md")),
    *sorted((ROOT / "codegen").rglob("*.md")),
]
DRAWN_WHEN_BUILT = "architecture.svg"
GLOSSARY_WORDS = [
    "slot",
    "seed",
    "blueprint",
    "fossil",
    "stage",
    "gate",
    "alpha",
    "isolation",
    "snapshot",
    "verdict",
    "shift",
    "channel",
    "sink",
    "envelope",
    "segment",
    "governor",
    "detector",
    "policy",
    "task",
    "host",
    "hub",
    "run",
    "room",
    "contract",
    "event",
    "rollback",
    "graft",
    "prune",
]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get, as GitHub makes them."""
    tokens = MarkdownIt().parse(read(path))
    titles = [
        tokens[index + 1].content
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> list[str]:
    """The targets of links and images, and the files that a page includes."""
    targets = [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in MarkdownIt("commonmark").enable("table").parse(read(path))
        for child in token.children or []
        if child.type in ("link_open", "image")
    ]
    included = re.findall(
        r"^```\{(?:include|literalinclude|image)\} (\S+)", read(path), re.MULTILINE
    )
    return targets + included


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_have_targets(path):
    for link in links(path):
        target, _, anchor = link.partition("#")
        if "://" in link or target.endswith(DRAWN_WHEN_BUILT):
            continue
        page = (path.parent / target) if target else path
        assert page.exists(), link
        assert not anchor or anchor in anchors(page), link


@pytest.mark.parametrize("path", [page for page in PAGES if DOCS in page.parents], ids=page_id)
def test_every_page_is_in_the_navigation(path):
    navigation = read(DOCS / "index.md") + read(DOCS / "decisions" / "index.md")
    name = str(path.relative_to(DOCS).with_suffix(""))
    is_decision = re.fullmatch(r"decisions/0\d{3}-.*", name)

    assert name == "index" or is_decision or re.search(rf"^{name}$", navigation, re.MULTILINE)


def test_the_reference_describes_every_name_of_esper_and_no_other():
    described = set(
        re.findall(r":: esper\.(\w+)$", read(DOCS / "reference" / "api.md"), re.MULTILINE)
    )

    assert described == set(esper.__all__)


@pytest.mark.parametrize("name", esper.telemetry.__all__)
def test_the_reference_describes_a_name_of_telemetry(name):
    value = getattr(esper.telemetry, name)
    if isinstance(value, type) or callable(value):
        # Described by `automodule`, which leaves out names without a docstring.
        assert value.__doc__
    else:
        page = read(DOCS / "reference" / "telemetry_api.md")
        assert re.search(rf"data:: (esper\.telemetry\.)?{name}$", page, re.MULTILINE)


@pytest.mark.parametrize("word", GLOSSARY_WORDS)
def test_the_glossary_defines_a_word(word):
    assert re.search(rf"^{word}\n  \S", read(DOCS / "glossary.md"), re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_code_in_pages_for_users_imports_the_public_modules_only(path):
    if path.is_relative_to(ROOT / "codegen") or path.name == "CONTRIBUTING.md":
        return  # Those are for people who change the project.
    code = "\n".join(re.findall(r"```python\n(.*?)```", read(path), re.DOTALL))
    modules = set(re.findall(r"^\s*(?:from|import) (esper[\w.]*)", code, re.MULTILINE))

    assert modules <= {"esper", "esper.charts", "esper.telemetry", "esper.testing.sink_contract"}


def load_architecture():
    spec = importlib.util.spec_from_file_location("architecture", DOCS / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", ["src/esper", "src/esper/tolaria", "codegen"])
def test_the_drawing_shows_every_room(folder):
    svg = ElementTree.fromstring(load_architecture().draw())
    drawn = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    rooms = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}

    assert rooms
    assert rooms <= drawn


def test_an_import_that_others_imply_is_left_out():
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}

    assert load_architecture().reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("sphinx", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    (DOCS / DRAWN_WHEN_BUILT).write_text(load_architecture().draw(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-E", "-n", "-W", "-b", "html", DOCS, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_the_site_loads_nothing_from_other_servers(site):
    loading = re.compile(
        r'<(?:script|img|iframe)[^>]*src="(?:https?:)?//|<link[^>]*href="(?:https?:)?//|url\(["\']?(?:https?:)?//'
    )
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]

    assert files
    assert [path for path in files if loading.search(path.read_text(encoding="utf-8"))] == []


def test_the_site_has_an_anchor_for_every_public_name(site):
    page = read(site / "reference" / "api.html")

    assert [name for name in esper.__all__ if f'id="esper.{name}"' not in page] == []


def test_the_changelog_lists_where_every_moved_module_is_now():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    esper_table, codegen_table = text.partition("- The same for the contract compiler")[::2]

    for table, package, folder in (
        (esper_table, "esper", "src/esper"),
        (codegen_table, "codegen", "codegen"),
    ):
        targets = []
        for old, new in re.findall(
            r"^\| (`.*`) \| (.*`)(?: \(removed\))? \|$", table, re.MULTILINE
        ):
            names = re.findall(r"`([\w.]+)`", old)
            place = new.strip("`").removeprefix("the same in `")
            targets += [f"{place}.{name}" for name in names] if "the same in" in new else [place]
        assert len(targets) > 40
        for target in targets:
            assert (
                ROOT / folder / (target.replace(".", "/") + ".py")
            ).is_file(), f"{package}.{target}"
