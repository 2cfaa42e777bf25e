"""The JSON Schemas accept exactly the lines that the codec accepts: of this version, and of a later minor one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import (
    DataObject,
    SearchStrategy,
    booleans,
    data,
    floats,
    integers,
    just,
    none,
    sampled_from,
    text,
)
from jsonschema import Draft202012Validator

from tests.codegen.targets.conftest import Generated

VALUES: SearchStrategy[object] = (
    none()
    | booleans()
    | integers(-(2**65), 2**65)
    # JSON Schema accepts 1.0 as an integer, and the codec does not.
    | floats(allow_nan=False, allow_infinity=False).filter(lambda one: not one.is_integer())
    | text()
    | sampled_from(["NaN", "Infinity", "-Infinity", "RED", "LOW", "OK", "NO_SUCH_MEMBER"])
    | sampled_from([-1, 0, 1, 100, 101, 2**31, 2**63 - 1, 2**63, -0.5, 1.5])
    | just([])
    | just({})
)


def test_the_schemas_are_valid(generated: Generated) -> None:
    Draft202012Validator.check_schema(generated.schema)
    Draft202012Validator.check_schema(generated.reader_schema)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=data())
def test_the_writers_schema_accepts_the_lines_that_the_codec_accepts(
    generated: Generated, drawn: DataObject
) -> None:
    plain = draw_changed_line(generated, drawn)
    assert _validates(generated.schema, plain) == _decodes(generated, plain), plain


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=data())
def test_the_readers_schema_accepts_the_lines_of_a_later_minor_version_that_the_codec_accepts(
    generated: Generated, drawn: DataObject
) -> None:
    plain = draw_changed_line(generated, drawn)
    major = generated.contract.version.partition(".")[0]
    plain["v"] = f"{major}.999.0"
    assert _validates(generated.reader_schema, plain) == _decodes(generated, plain), plain


@pytest.mark.parametrize(
    ("version", "is_valid"), [("2.0.0", True), ("2.99.1", True), ("3.0.0", False)]
)
def test_the_readers_schema_is_of_one_major_version(
    everything: Generated, version: str, is_valid: bool
) -> None:
    envelope = {"num": 1, "level": "LOW", "w.h/o": "me", "event": "NOTHING_SAID", "v": version}
    assert _validates(everything.reader_schema, envelope | {"payload": {}}) == is_valid


def draw_changed_line(generated: Generated, drawn: DataObject) -> Any:
    """Draw a line as plain JSON, in which one value is removed, added or replaced."""
    line = generated.codec.encode_line(*drawn.draw(generated.strategies.LINES))
    plain = json.loads(line)
    owner, key = drawn.draw(sampled_from(list(_places(plain))))
    change = drawn.draw(sampled_from(["remove", "add", "replace", "replace"]))
    if change == "remove":
        del owner[key]
    elif change == "replace":
        owner[key] = drawn.draw(VALUES)
    elif isinstance(owner, dict):
        owner["added"] = drawn.draw(VALUES)
    return plain


def _places(plain: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a line except its version, by which the codec may read it as an older line."""
    if isinstance(plain, dict | list):
        for key in plain if isinstance(plain, dict) else range(len(plain)):
            if key != "v":
                yield plain, key
                yield from _places(plain[key])


def _validates(schema: dict[str, Any], plain: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(plain))


def _decodes(generated: Generated, plain: Any) -> bool:
    try:
        generated.codec.decode_line(json.dumps(plain).encode())
    except generated.error:
        return False
    return True
