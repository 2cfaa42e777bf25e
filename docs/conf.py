"""Configuration of the documentation: Sphinx, MyST for Markdown, the theme Furo.

The build is strict: the Makefile turns warnings into errors, and `nitpicky` warns of every reference without a
target, in pages and in signatures. Nothing is fetched from a network, neither by the build nor by the pages.
"""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import esper
import esper.telemetry

project = "Esper"
version = release = esper.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_argparse_cli"]
nitpicky = True

html_theme = "furo"
html_title = f"Esper {version}"
html_static_path = ["_static"]
html_css_files = ["esper.css"]
html_copy_source = False
html_show_copyright = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings are plain text in which single backticks mark code.
default_role = "literal"
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}
toc_object_entries_show_parents = "hide"

# Names of other libraries are shown and not linked: their inventories would have to be fetched.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|collections|duckdb|enum|pathlib|pyarrow|rich|types|typing)\..*"),
    # Type variables and protocols of one signature.
    (r"py:.*", r"esper\..*\._\w+"),
    # What users pass on to slots without naming it.
    (r"py:.*", r"esper\.kasmina\.(gates\.Gates|state\.SeedState)"),
    # The description of a column, a plain record, and types of files of other libraries.
    (r"py:.*", r"esper\.karn\.sql\.database\.Column|ChartType|Path|Stories|Theme"),
    # An argument of a constructor that users do not call.
    (r"py:.*", r"esper\..*\.LoopDescription"),
]

_PUBLIC = {
    **{name: f"esper.{name}" for name in esper.__all__},
    **{
        name: f"esper.telemetry.{name}"
        for name in esper.telemetry.__all__
        if name not in esper.__all__
    },
}
_SPECIAL = re.compile(r"([*|\\]|_(?=\W|$))")
_NOT_PYTHON = re.compile(r"<[^<>]*>")
_COLON = "\ue000"
_FIELDS = ("attribute", "data", "property")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def escape_docstring(
    _app: Sphinx, kind: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Escape characters that reStructuredText takes for markup, except in code: in backticks or indented."""
    code_indent: int | None = None
    for index, line in enumerate(lines):
        if code_indent is not None and (not line or _indent(line) >= code_indent):
            continue
        code_indent = None
        parts = line.split("`")
        parts[::2] = [_SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
        lines[index] = "`".join(parts)
        blank, code = (*lines[index + 1 : index + 3], "", "")[:2]
        if line.endswith(":") and not blank and _indent(code) >= _indent(line) + 4:
            code_indent = _indent(code)
            lines[index] += ":"
    if kind in _FIELDS and lines:
        # Napoleon takes text before the first colon for a type.
        lines[0] = lines[0].replace(":", _COLON)


def restore_colons(
    _app: Sphinx, kind: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Undo the replacement of colons by `escape_docstring`; runs after napoleon."""
    lines[:] = [line.replace(_COLON, ":") for line in lines]


def shorten_defaults(
    _app: Sphinx,
    _kind: str,
    _name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Replace a default such as `<factory>` by `...`: it is not Python, and Sphinx cannot parse it."""
    return signature and (_NOT_PYTHON.sub("...", signature), returns)


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Link a name in a signature, qualified by the module that defines it, to the entry of the public name."""
    public = _PUBLIC.get(node["reftarget"].rpartition(".")[2])
    if node["refdomain"] != "py" or public is None or node["reftarget"] == public:
        return None
    domain = env.domains["py"]
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, content)


def unlink_addresses(_app: Sphinx, document: nodes.document) -> None:
    """Replace the links that docutils makes of text such as `nan@EPOCH`, in the help of a command, by their text."""
    for link in list(document.findall(nodes.reference)):
        if link.get("refuri", "").startswith("mailto:"):
            link.replace_self(nodes.Text(link.astext()))


def setup(app: Sphinx) -> None:
    """Register the functions above for the events of Sphinx."""
    # Before napoleon, which writes markup of its own.
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)
    app.connect("autodoc-process-docstring", restore_colons, priority=600)
    app.connect("autodoc-process-signature", shorten_defaults)
    app.connect("doctree-read", unlink_addresses)
    app.connect("missing-reference", resolve_public_name)
