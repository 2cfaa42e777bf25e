"""The Arrow schemas have the types of the contract."""

import pyarrow
import pytest


@pytest.mark.parametrize(
    ("column", "type_", "is_nullable"),
    [
        ("num", pyarrow.int64(), False),
        ("event", pyarrow.string(), False),
        ("payload_event", pyarrow.string(), False),
        ("payload_level", pyarrow.string(), True),
        ("old", pyarrow.float64(), True),
        ("maybe", pyarrow.bool_(), True),
        ("width", pyarrow.float64(), False),
        ("where", pyarrow.string(), True),
    ],
)
def test_a_column_has_its_type(everything, column, type_, is_nullable):
    field = everything.schema_of("ALL_SAID").field(column)
    assert (field.type, field.nullable) == (type_, is_nullable)


def test_items_of_lists_and_maps_are_never_null(everything):
    schema = everything.schema_of("ALL_SAID")
    assert not schema.field("lines").type.value_field.nullable
    assert not schema.field("points").type.item_field.nullable


def test_a_record_is_a_struct(everything):
    point = everything.schema_of("ALL_SAID").field("path").type
    assert [field.name for field in point] == ["across", "down", "tag"]
    assert [field.nullable for field in point] == [False, True, False]


def test_a_unit_is_metadata_unless_it_is_a_bare_count(everything):
    schema = everything.schema_of("ALL_SAID")
    assert schema.field("width").metadata == {b"unit": b"ms"}
    assert schema.field("count").metadata is None
