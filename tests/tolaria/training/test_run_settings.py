"""Settings have limits, wherever they come from, and are kept in a run's folder."""

from dataclasses import replace

import pytest

from esper.leyline.errors import RunNotFoundError, UsageError
from esper.tolaria.tasks.digits import DIGITS
from esper.tolaria.training.run_settings import FILE_NAME, RunSettings, load_settings, save_settings


def test_settings_come_back_from_their_file(tmp_path):
    settings = RunSettings(epochs=3, seed=7, faults=("nan@2", "spike@3"), has_baseline=False)

    save_settings(settings, tmp_path)

    assert load_settings(tmp_path) == settings


def test_a_setting_that_an_older_file_lacks_has_its_default(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"task": "digits", "epochs": 60}')

    assert load_settings(tmp_path) == RunSettings(epochs=60)


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"epochs": 0}', '{"epochs": "many"}', '{"detector": "mean"}', '{"colour": "red"}'],
)
def test_a_damaged_file_is_rejected(tmp_path, content):
    (tmp_path / FILE_NAME).write_text(content)

    with pytest.raises(RunNotFoundError, match=r"settings\.json must hold the settings of a run"):
        load_settings(tmp_path)


def test_a_folder_without_settings(tmp_path):
    with pytest.raises(RunNotFoundError, match=r"no settings\.json in .*cannot be resumed"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"seed": "x"}, "seed must be of type int, got 'x'"),
        ({"seed": True}, "seed must be of type int, got True"),
        ({"seed": None}, "seed must be of type int, got None"),
        ({"epochs": 2.0}, "epochs must be of type int, got 2.0"),
        ({"has_baseline": 1}, "has_baseline must be of type bool, got 1"),
        ({"faults": "nan@3"}, "faults must be a tuple of str, got 'nan@3'"),
        ({"faults": (3,)}, "faults must be of type str, got 3"),
        ({"detector": ["robust"]}, "detector must be of type str, got a value of type list"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"num_checkpoints": 0}, "num_checkpoints must be at least 1, got 0"),
        ({"detector": "mean"}, "detector must be one of robust, sigma, got 'mean'"),
        ({"faults": ("flood@3",)}, 'got "flood@3"; try nan@12'),
    ],
)
def test_a_value_outside_its_limits_is_rejected(changes, message):
    with pytest.raises(UsageError, match=message):
        RunSettings(**changes)


def test_a_task_completes_the_settings():
    task = replace(DIGITS, name="mine", epochs=5)

    assert RunSettings(seed=3).for_task(task) == RunSettings(task="mine", epochs=5, seed=3)
    assert RunSettings(epochs=7).for_task(task).epochs == 7


def test_a_fault_must_lie_within_the_run():
    settings = RunSettings(faults=("nan@9",))

    with pytest.raises(UsageError, match="after the last of 5 epochs; try `epochs=9`"):
        settings.for_task(replace(DIGITS, epochs=5))


def test_only_length_and_device_change_on_resume():
    saved = RunSettings(epochs=5, seed=3, faults=("nan@2",))

    assert saved.resumed() == saved
    assert saved.resumed(epochs=8, device="cuda").resumed(device="cpu") == RunSettings(
        epochs=8, seed=3, faults=("nan@2",)
    )
    with pytest.raises(UsageError, match="may only be raised on resume, got 4 after 5"):
        saved.resumed(epochs=4)
