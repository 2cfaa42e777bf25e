"""Writes measured tables into documents, between two marks; the text outside the marks is written by people."""

from pathlib import Path


def write_section(path: Path, name: str, markdown: str) -> None:
    """Replace the text between the marks of `name` in the file at `path` by `markdown`; add missing marks at its end."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    text = path.read_text(encoding="utf-8")
    if begin not in text:
        text += f"\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{markdown}\n{end}{after}", encoding="utf-8")
