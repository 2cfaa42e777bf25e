"""The live view shows what its kept screens show; `python -m tests.karn.watch.record` writes them again."""

import asyncio
import unicodedata

import pytest

from tests.karn.watch.driving import utc
from tests.karn.watch.record import FOLDER, HOSTILE, SCREENS, take


@pytest.fixture(autouse=True)
def _utc():
    with utc():
        yield


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_kept(name, tmp_path):
    text = asyncio.run(take(SCREENS[name], tmp_path))

    assert text == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_kept_screen_is_tested():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(SCREENS)


@pytest.mark.parametrize("name", [name for name in SCREENS if name.startswith("hostile")])
def test_hostile_names_are_shown_as_text(name):
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")

    assert "\\x1b[31m[red]a[/red]"[:6] in text
    assert HOSTILE not in text
    assert not {unicodedata.category(one) for one in set(text) - {"\n"}} & {"Cc", "Cf"}


def test_a_screen_has_the_size_of_the_terminal():
    for name, screen in SCREENS.items():
        lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        assert len(lines) == screen.size[1]
