"""The screens of the live view that are kept as text; to write them again:

python -m tests.karn.watch.record
"""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.karn.example_run import write_example_run
from tests.karn.missing_fields import write_without
from tests.karn.watch.driving import press, rewrite, settle, utc, watching

FOLDER = Path(__file__).parent / "screens"
HOSTILE = "\x1b[31m[red]a[/red]\u202e\x1b]0;title\x07<b>é世"
"""A name with escape sequences, markup of Rich and Textual, a change of the writing direction, and wide characters."""


@dataclass(frozen=True)
class Tour:
    """A walk through a run, on which screens are kept."""

    run: str
    """Kind of run: whole, killed, hostile, or EVENT.field for a run that lacks a field."""
    size: tuple[int, int]
    steps: dict[str, tuple[str, ...]]
    """The keys that lead from the screen before to each screen, by the name of the screen."""


TOURS = (
    Tour(
        "whole",
        (80, 24),
        {
            "main_80x24": (),
            "help_80x24": ("?",),
            "event_80x24": ("escape", "tab", "tab", "tab", "up", "enter"),
            "warnings_zoomed_80x24": ("escape", "l", "z"),
        },
    ),
    Tour(
        "whole",
        (120, 40),
        {
            "main_120x40": (),
            "slot_120x40": ("enter",),
            "governor_120x40": ("escape", "tab", "tab", "enter"),
            "info_120x40": ("escape", "i"),
            "accuracy_120x40": ("escape", "m", "y"),
        },
    ),
    Tour("whole", (200, 60), {"main_200x60": ()}),
    Tour("killed", (80, 24), {"killed_80x24": ()}),
    Tour("hostile", (80, 24), {"hostile_80x24": (), "hostile_slot_80x24": ("end", "up", "enter")}),
    Tour(
        "SEED_GERMINATED.blend_tempo_epochs",
        (120, 40),
        {"missing_120x40": (), "missing_slot_120x40": ("enter",)},
    ),
)


def write_run(folder, kind):
    """Write a run of a kind to `folder`, and return it."""
    if kind == "whole":
        return write_example_run(folder)
    if kind == "killed":
        write_example_run(folder, is_finished=False)
        # Nobody holds it.
        (folder / ".lock").touch()
        return folder
    if kind == "hostile":
        rewrite(write_example_run(folder), _spoil)
        return folder
    return write_without(folder, kind)


async def take(tour, root):
    """Return the text of each screen of a tour by its name; the folder of the run is made in `root`."""
    write_run(root / "run", tour.run)
    with contextlib.chdir(root):
        async with watching(Path("run"), size=tour.size) as (app, pilot):
            screens = {}
            for name, keys in tour.steps.items():
                await press(pilot, *keys)
                screens[name] = await settle(app, pilot)
            return screens


def _spoil(line):
    """Replace the names of slots and blueprints, reasons and messages of a line by `HOSTILE`."""
    payload = line["payload"]
    for name in ("slot_id", "blueprint_id", "reason", "message", "task"):
        if isinstance(payload.get(name), str) and not payload[name].isupper():
            payload[name] = HOSTILE
    if isinstance(payload.get("metrics"), dict):
        payload["metrics"] = {HOSTILE: 1.0, "m" * 10_000_000: 2.0} if line["seq"] < 8 else {}
    return line


def main():
    """Write all screens again."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.txt"):
        path.unlink()
    for tour in TOURS:
        with tempfile.TemporaryDirectory() as root, utc():
            for name, text in asyncio.run(take(tour, Path(root))).items():
                (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
