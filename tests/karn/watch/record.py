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
class KeptScreen:
    """A screen that is kept."""

    run: str
    """Kind of run: whole, killed, hostile, or EVENT.field for a run that lacks a field."""
    size: tuple[int, int] = (80, 24)
    keys: tuple[str, ...] = ()


SCREENS = {
    "main_80x24": KeptScreen("whole"),
    "main_120x40": KeptScreen("whole", (120, 40)),
    "main_200x60": KeptScreen("whole", (200, 60)),
    "help_80x24": KeptScreen("whole", keys=("?",)),
    "slot_120x40": KeptScreen("whole", (120, 40), ("enter",)),
    "governor_120x40": KeptScreen("whole", (120, 40), ("tab", "tab", "enter")),
    "event_80x24": KeptScreen("whole", keys=("tab", "tab", "tab", "up", "enter")),
    "info_120x40": KeptScreen("whole", (120, 40), ("i",)),
    "events_zoomed_80x24": KeptScreen("whole", keys=("l", "tab", "tab", "tab", "z")),
    "accuracy_120x40": KeptScreen("whole", (120, 40), ("m", "y")),
    "killed_80x24": KeptScreen("killed"),
    "hostile_80x24": KeptScreen("hostile"),
    "hostile_slot_120x40": KeptScreen("hostile", (120, 40), ("enter",)),
    "without_alpha_80x24": KeptScreen("SEED_STAGE_CHANGED.alpha"),
    "without_blueprint_slot_120x40": KeptScreen(
        "SEED_GERMINATED.blueprint_id", (120, 40), ("enter",)
    ),
}


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


async def take(screen, root):
    """Return the text of a screen; the folder of the run is made in `root`."""
    write_run(root / "run", screen.run)
    with contextlib.chdir(root):
        async with watching(Path("run"), size=screen.size) as (app, pilot):
            await press(pilot, *screen.keys)
            return await settle(app, pilot)


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
    for name, screen in SCREENS.items():
        with tempfile.TemporaryDirectory() as root, utc():
            (FOLDER / f"{name}.txt").write_text(asyncio.run(take(screen, Path(root))))


if __name__ == "__main__":
    main()
