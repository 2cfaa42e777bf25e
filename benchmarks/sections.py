"""Tables in documents: a part between two marks belongs to the command that writes it, the rest to people."""

from pathlib import Path


def write_section(path: Path, name: str, markdown: str) -> None:
    """Put `markdown` between the marks of `name` in the file at `path`, or at its end if it has none."""
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    text = path.read_text(encoding="utf-8")
    if begin not in text:
        text += f"\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{markdown}\n{end}{after}", encoding="utf-8")
