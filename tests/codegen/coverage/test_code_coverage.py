"""Coverage of the contract of a shop by its code."""

import pytest


@pytest.mark.parametrize(
    ("field", "is_read"),
    [
        ("by_annotation", True),
        ("by_isinstance", True),
        ("by_match", True),
        ("by_pattern", True),
        ("by_generic", True),
        ("by_method", True),
        ("by_item", True),
        ("by_lambda", True),
        ("by_alias", True),
        ("by_union", True),
        ("by_untyped", True),
        ("all_alike", False),
        ("by_name", False),
        ("of_anything", False),
        ("of_another", False),
        ("never_reached", False),
    ],
)
def test_a_field_is_read_where_its_owner_is_known_to_be_a_payload(points, field, is_read):
    assert points["read", f"PARCEL_SENT.{field}"]["covered"] is is_read


def test_reads_and_emissions_have_places(points):
    (place,) = points["read", "PARCEL_SENT.by_annotation"]["places"]
    assert place.startswith("shop/readers.py:")
    assert len(points["emitted", "ORDER_PLACED"]["places"]) == 2


def test_fields_of_nested_records_are_measured(points):
    assert points["read", "Item.article"]["covered"]
    assert not points["read", "Item.number"]["covered"]
    assert ("read", "Receipt.total") not in points


def test_a_context_field_is_read_when_it_is_read_of_any_event(points):
    assert points["read", "context.shop_id"]["covered"]
    assert ("read", "ORDER_PLACED.shop_id") not in points


@pytest.mark.parametrize(
    ("event", "is_emitted", "is_noticed"),
    [
        ("ORDER_PLACED", True, True),
        ("PARCEL_SENT", True, True),
        ("PARCEL_RETURNED", True, False),
        ("ORDER_LOST", False, False),
    ],
)
def test_events_are_emitted_by_helpers_and_noticed_by_reads(points, event, is_emitted, is_noticed):
    assert points["emitted", event]["covered"] is is_emitted
    assert points["noticed", event]["covered"] is is_noticed


@pytest.mark.parametrize(
    ("field", "is_varied"),
    [
        ("ORDER_PLACED.way", False),
        ("ORDER_PLACED.desk", True),
        ("ORDER_PLACED.haste", True),
        ("ORDER_PLACED.discount", False),
        ("ORDER_PLACED.currency", False),
        ("ORDER_PLACED.wrapping", False),
        ("ORDER_PLACED.customer", True),
        ("ORDER_PLACED.greeting", True),
        ("ORDER_PLACED.items", True),
        ("PARCEL_SENT.by_name", True),
        ("PARCEL_RETURNED.reason", True),
        ("Item.number", False),
        ("Item.hint", True),
    ],
)
def test_a_field_varies_unless_it_is_given_one_constant(points, field, is_varied):
    assert points["varied", field]["covered"] is is_varied


def test_deprecated_events_and_fields_are_not_measured(points):
    names = {name for _, name in points}

    assert not {"ORDER_FAXED", "ORDER_FAXED.pages", "PARCEL_SENT.old"} & names


def test_findings_have_a_place_and_a_remedy(text):
    for line in (
        "shop.yaml:57:3: error COV001 no code emits ORDER_LOST; emit it, or retire it",
        "shop.yaml:57:3: error COV002 no code reads any field of ORDER_LOST; read one, or retire it",
        "shop.yaml:32:7: error COV003 no code reads Item.hint; read it, or retire it",
        "shop.yaml:46:7: error COV004 ORDER_PLACED.way is always Way.COUNTER;",
        "shop.yaml:50:7: error COV004 ORDER_PLACED.currency is always 'EUR';",
        "shop.yaml:52:7: error COV004 ORDER_PLACED.wrapping is always its default;",
        "OrderLostPayload is constructed directly; call emit_order_lost instead",
    ):
        assert line in text


def test_the_table_counts_by_owner(text):
    lines = [line.split() for line in text.splitlines()]

    assert ["emitted", "noticed", "read", "varied"] in lines
    assert ["PARCEL_SENT", "1/1", "1/1", "11/16", "16/16"] in lines
    assert ["Item", "1/3", "2/3"] in lines


def test_findings_for_code_scanners(shop):
    code, out, _ = shop.codegen("coverage", "--format", "github")

    assert code == 1
    assert "::error file=shop.yaml,line=57,col=3,title=COV001::no code emits ORDER_LOST" in out


def test_a_package_in_another_folder_is_called_like_its_name(shop, tmp_path):
    refused = shop.codegen("coverage", "--out", str(tmp_path), "--source", ".")
    allowed = shop.codegen(
        "coverage", "--out", str(tmp_path / "shop" / "_generated"), "--source", "."
    )

    assert refused[0] == 2
    assert (
        "the folder of package shop._generated must be called shop/_generated, got " in refused[2]
    )
    assert "no code emits ORDER_LOST" in allowed[1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "the code to scan must be Python files, but "),
        ("def broken(:", "the code to scan must be Python, got "),
    ],
)
def test_missing_or_broken_code_is_refused(shop, tmp_path, code, message):
    if code is not None:
        (tmp_path / "broken.py").write_text(code)

    exit_code, _, err = shop.codegen("coverage", "--source", str(tmp_path))

    assert exit_code == 2
    assert message in err
    assert err.count("\n") == 1
