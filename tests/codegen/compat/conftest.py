"""Fixtures: a folder in which the contract of a zoo has been released."""

import shutil

import pytest

from tests.codegen.compat.zoo import EVERYTHING, contract_yaml, release


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """Return a folder in which version 1.0.0 has been released; it is shared, so tests must not change it."""
    folder = tmp_path_factory.mktemp("released")
    code, out = release(folder, contract_yaml(fields=EVERYTHING))
    assert code == 0, out
    return folder


@pytest.fixture
def zoo(released, tmp_path):
    """Return a copy of the folder `released`, which the test may change."""
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    return tmp_path
