"""The live view shows what its kept screens show; `python -m tests.karn.watch.record` writes them again."""

import asyncio
import unicodedata

import pytest

from tests.karn.watch.driving import utc
from tests.karn.watch.record import FOLDER, HOSTILE, TOURS, take


@pytest.fixture(autouse=True)
def _utc():
    with utc():
        yield


@pytest.mark.parametrize("tour", TOURS, ids=lambda tour: next(iter(tour.steps)))
def test_screens_are_as_kept(tour, tmp_path):
    for name, text in asyncio.run(take(tour, tmp_path)).items():
        assert text == (FOLDER / f"{name}.txt").read_text(encoding="utf-8"), name


def test_every_kept_screen_is_tested_and_has_the_size_of_the_terminal():
    lines = {path.stem: path.read_text("utf-8").splitlines() for path in FOLDER.glob("*.txt")}
    height = {name: tour.size[1] for tour in TOURS for name in tour.steps}

    assert {name: len(text) for name, text in lines.items()} == height


@pytest.mark.parametrize(
    "name", [name for tour in TOURS if tour.run == "hostile" for name in tour.steps]
)
def test_hostile_names_are_shown_as_text(name):
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")

    assert "\\x1b[3" in text
    assert HOSTILE not in text
    assert not {unicodedata.category(one) for one in set(text) - {"\n"}} & {"Cc", "Cf"}
