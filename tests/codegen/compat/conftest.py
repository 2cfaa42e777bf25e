"""A zoo whose contract has been released."""

import shutil

import pytest

from tests.codegen.compat.zoo import EVERYTHING, release, spell


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """Return a folder in which version 1.0.0 has been released; nobody may change it."""
    folder = tmp_path_factory.mktemp("released")
    code, out = release(folder, spell(fields=EVERYTHING))
    assert code == 0, out
    return folder


@pytest.fixture
def zoo(released, tmp_path):
    """Return a folder of one's own in which version 1.0.0 has been released."""
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    return tmp_path
