"""Takes the pictures of Esper's own views that the documentation shows.

python docs/screenshots_karn.py docs/_static     trains three short runs and takes the pictures; two minutes

Needs chromium and the extra `charts`. The picture of the README is a chart without a browser.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from esper.karn.charts import catalog
from esper.karn.charts.render import to_svg
from esper.karn.run import read_story

_WIDTH = 860
_LIGHT, _DARK = "1", "0"


def train(folder: Path, *options: str) -> Path:
    """Train a run and return its folder."""
    before = set(folder.glob("*"))
    command = [sys.executable, "-m", "esper", "train", "--run-dir", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (run,) = set(folder.glob("*")) - before
    return run


def report(out: Path, *runs: Path) -> Path:
    """Write the report on runs and return the file."""
    command = [sys.executable, "-m", "esper", "report", *map(str, runs), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def take(page: Path, picture: Path, *, height: int, scheme: str = _LIGHT) -> None:
    """Take a picture of the top of a page in a light or a dark browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("docs/screenshots_karn.py needs chromium, which is not installed")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", f"--window-size={_WIDTH},{height}"]
        command += [f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={picture}"]
        subprocess.run([*command, page.as_uri()], check=True, capture_output=True)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the pictures")
    out = parser.parse_args().out.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = train(folder / "runs", "--inject-fault", "nan@12")
        others = [train(folder / "runs", "--seed", seed) for seed in ("1", "2")]
        page = report(folder / "report.html", run)
        take(page, out / "report.png", height=980)
        dark = report(folder / "dark.html", others[0])
        take(dark, out / "report_dark.png", height=980, scheme=_DARK)
        pages = report(folder / "runs.html", run, *others)
        take(pages, out / "report_runs.png", height=1100)
        story = read_story(run)
        (out / "run.svg").write_text(to_svg(catalog.losses(story)), encoding="utf-8")


if __name__ == "__main__":
    main()
