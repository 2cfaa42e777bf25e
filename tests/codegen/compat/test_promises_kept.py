"""A change is judged by the promise that was released, and by what readers and callers really do."""

import pytest

from codegen.__main__ import main
from tests.codegen.compat.zoo import (
    compare,
    contract_yaml,
    decoder,
    generate,
    levels,
    release,
    run,
)

NUMBER = 'type: int, unit: "1", arg: true'
TEXT = "type: str, arg: true"
NOTHING = 'promise: {wire: "none", source: "none"}'
PAYLOAD = b'{"seq":1,"event":"FED","v":"1.0.0","payload":{"name":"a","mood":"CALM","meals":[],"cage":0%s}}'


def x(text):
    """Return the YAML of a field with the name x."""
    return f"x: {{{text}, doc: X.}}"


def upcast(step):
    """Return the YAML of an upcast to 2.0.0 with one step for a key of FED."""
    return f"upcasts: {{2.0.0: {{doc: D., events: {{FED: {{fields: {{{step}}}}}}}}}}}"


@pytest.mark.parametrize("place", ["top", "event"])
def test_a_promise_cannot_be_lowered_and_broken_at_once(tmp_path, place):
    new = contract_yaml("1.1.0", **{place: NOTHING})
    code, findings = compare(tmp_path, contract_yaml(fields=x(TEXT)), new)
    assert code == 1
    assert levels(findings, "FLD001") == ["WIRE-F, SOURCE"]
    assert levels(findings, "SPC002") == ["policy"]


def test_a_release_is_refused_if_a_promise_is_lowered_and_broken_at_once(tmp_path):
    assert release(tmp_path, contract_yaml(fields=x(TEXT)))[0] == 0
    assert release(tmp_path, contract_yaml("1.1.0", top=NOTHING))[0] == 1
    assert not (tmp_path / "history" / "1.1.0.json").exists()


def test_a_promise_that_was_lowered_before_counts(tmp_path):
    old, new = (
        contract_yaml(v, top=NOTHING, fields=f) for v, f in (("1.0.0", x(TEXT)), ("1.1.0", ""))
    )
    code, findings = compare(tmp_path, old, new)
    assert code == 0, findings


FROM_A = "x: {type: str, from: a, doc: X.}"


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("FLD033", {"fields": FROM_A}, {"fields": FROM_A.replace("from: a", "from: b")}),
        ("FLD010", {}, {"fields": FROM_A.replace("str,", "str, missing: a, default: a,")}),
        (
            "FLD033",
            {"fields": "is_tame: {type: bool, default: false, from: is_tame, doc: I.}"},
            {
                "top": "groups: {tame: {doc: T., when: is_known, fields: {is_tame: {type: bool, default: false, from: is_tame, doc: I.}}}}",
                "event": "include: [tame]",
            },
        ),
    ],
)
def test_sources_that_lose_events_are_broken(tmp_path, rule, before, after):
    revised = {**after, "event": f"{after.get('event', '')}\nrevision: 2\nnote: N."}
    code, findings = compare(tmp_path, contract_yaml(**before), contract_yaml("1.1.0", **revised))
    assert code == 1
    assert "SOURCE" in levels(findings, rule)[0]
    (finding,) = [one for one in findings if one["rule"] == "SPC002"]
    assert "say version: 2.0.0" in finding["message"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("range: [0, 10]", "range: [0, 20]"),
        ("range: [0, 10]", "nullable: true, range: [0, 10]"),
    ],
)
def test_wider_values_need_a_major_version(tmp_path, before, after):
    old, new = (
        contract_yaml(v, fields=x(f"{NUMBER}, {w}"))
        for v, w in (("1.0.0", before), ("1.1.0", after))
    )
    code, findings = compare(tmp_path, old, new)
    assert code == 1
    assert any("WIRE-F" in one["impact"] for one in findings)
    assert compare(tmp_path, old, new.replace("version: 1.1.0", "version: 2.0.0"))[0] == 0


def test_a_wider_pattern_breaks_old_readers_and_not_new_ones(tmp_path):
    old, new = (
        contract_yaml(fields=x(f'{TEXT}, pattern: "{one}"')) for one in ("[a-z]+", "[a-z0-9]+")
    )
    _, findings = compare(tmp_path, old, new)
    assert (levels(findings, "FLD034"), levels(findings, "FLD035")) == ([], ["WIRE-F"])
    _, findings = compare(tmp_path, new, old)
    assert (levels(findings, "FLD034"), levels(findings, "FLD035")) == (["WIRE-B, SOURCE"], [])


TOY = "%s: {doc: T., %sfields: {name: {type: str, doc: N.}}}"


def test_a_renamed_record_is_the_same_on_the_wire(tmp_path):
    old = contract_yaml(records=TOY % ("Toy", ""), fields="x: {type: Toy, arg: true, doc: X.}")
    new = contract_yaml(
        "2.0.0",
        records=TOY % ("Game", "renamed_from: Toy, "),
        fields="x: {type: Game, arg: true, doc: X.}",
    )
    code, findings = compare(tmp_path, old, new)
    assert (code, [one["rule"] for one in findings]) == (0, ["ENM008"])


def test_an_optional_key_of_every_line_breaks_nobody(tmp_path):
    new = contract_yaml(
        "1.1.0", envelope="host: {type: str, nullable: true, missing: null, default: null, doc: H.}"
    )
    code, findings = compare(tmp_path, contract_yaml(), new)
    assert (code, [one["rule"] for one in findings]) == (0, ["FLD011"])


def test_a_chain_of_renames_is_read_through(tmp_path):
    chain = """\
upcasts:
  2.0.0: {doc: D., events: {FED: {fields: {b: {move: a}}}}}
  3.0.0: {doc: D., events: {FED: {fields: {c: {move: b}}}}}
"""
    old = contract_yaml(fields=f"a: {{{TEXT}, doc: A.}}")
    new = contract_yaml("3.0.0", top=chain, fields=f"c: {{{TEXT}, renamed_from: b, doc: C.}}")
    code, findings = compare(tmp_path, old, new)
    assert code == 0, findings
    generate(tmp_path, new)
    assert decoder(tmp_path)(PAYLOAD % b',"a":"t"')[1].c == "t"


@pytest.mark.parametrize(
    ("before", "after", "step", "said"),
    [
        ("", NUMBER, "x: {move: aa}", "SPC011 policy  FED.x: records of 1.0.0 do not have aa"),
        ("", NUMBER, "x: {move: aa}", "SPC009 WIRE-B  FED.x: in upcast records, x: it may be missing"),
        (f"{NUMBER}, nullable: true", NUMBER, "x: {convert: x, factor: 2, round: true, clamp: [0, 9]}", "FED.x: in upcast records, x: it may be null"),
        (f"{TEXT}", "type: Mood, arg: true", "x: {convert: x, values: {a: CALM}}", "FED.x: in upcast records, x: it may be a text that is not allowed"),
    ],
)  # fmt: skip
def test_an_upcast_that_cures_nothing_is_located(tmp_path, before, after, step, said):
    old = contract_yaml(fields=x(before) if before else "")
    new = contract_yaml("2.0.0", fields=x(after), top=upcast(step))
    (tmp_path / "old.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(new)
    code, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml")
    assert code == 1
    (line,) = [one for one in out.splitlines() if said in one]
    number = int(line.split(":")[1])
    assert "upcasts:" in new.splitlines()[number - 1]


LIMITED = f"{NUMBER}, range: [0, 5]"


@pytest.mark.parametrize(
    ("field", "step", "message"),
    [
        (LIMITED, "x: {fill: 9}", "UPC005 fill of x must have a value of at most 5, got 9"),
        (LIMITED, "x: {fill: text}", "UPC005 fill of x must be int, got text"),
        (LIMITED, "x: {fill: null}", "UPC005 fill of x must not be null; add nullable: true"),
        (LIMITED, "x: {convert: x, clamp: [0, 10]}", "UPC005 clamp of x must end at 5 or below, got 10"),
        (LIMITED, "x: {convert: x, clamp: [-1, 5]}", "UPC005 clamp of x must begin at 0 or above, got -1"),
        (NUMBER, "x: {convert: x, factor: 2.0}", "UPC005 x is an int, and the step makes a float; add round: true"),
        (NUMBER, "x: {convert: x, clamp: [0, 1.5]}", "UPC005 x is an int, so clamp must be integers; add round: true"),
        (TEXT, "x: {convert: x, factor: 2.0}", "UPC005 x is of type str, which cannot be calculated; use values:"),
        ("type: Mood, arg: true", "x: {convert: x, values: {b: WILD}}", "UPC005 x must be one of CALM, got WILD"),
        (f"{TEXT}, wire: a.b", "a.b: {fill: q}", 'UPC004 the key "a.b" of x cannot be a path'),
        (NUMBER, "y: {fill: 1}", "UPC004 FED does not have y"),
    ],
)  # fmt: skip
def test_a_step_must_make_a_value_of_its_field(tmp_path, field, step, message):
    (tmp_path / "zoo.yaml").write_text(contract_yaml("2.0.0", fields=x(field), top=upcast(step)))
    code, out, _ = run(tmp_path, "validate", "zoo.yaml")
    assert code == 2
    assert "zoo.yaml:4:" in out
    assert message in out


@pytest.mark.parametrize(
    "parts",
    [
        {"fields": f"x: {{{TEXT}, renamed_from: name, doc: X.}}"},
        {"records": "Toy: {doc: T., renamed_from: Meal, fields: {}}"},
        {"enums": "Size: {doc: S., renamed_from: Mood, members: {BIG: {value: 1, doc: B.}}}"},
    ],
)
def test_a_former_name_is_not_a_present_one(tmp_path, parts):
    (tmp_path / "zoo.yaml").write_text(contract_yaml(**parts))
    code, out, _ = run(tmp_path, "validate", "zoo.yaml")
    assert code == 2
    assert "RET003" in out
    assert "which still exists; remove renamed_from:" in out


def test_the_last_line_needs_what_the_findings_need(tmp_path):
    (tmp_path / "old.yaml").write_text(contract_yaml())
    (tmp_path / "new.yaml").write_text(contract_yaml("1.1.0", members="WILD: {value: 2, doc: W.}"))
    code, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml")
    assert code == 1
    assert "remedy: release it as 2.0.0" in out
    assert out.endswith("since 1.0.0 the changes need 2.0.0 (major), got 1.1.0\n")


def test_a_minor_version_may_open_an_enum(tmp_path):
    code, findings = compare(tmp_path, contract_yaml(), contract_yaml("1.1.0", mood="open: true"))
    assert (code, levels(findings, "ENM005")) == (0, ["info"])


def test_a_minor_version_may_not_loosen_what_old_readers_check(tmp_path):
    closed = "WILD: {value: 2, doc: W.}"
    code, findings = compare(tmp_path, contract_yaml(), contract_yaml("1.1.0", members=closed))
    assert (code, levels(findings, "ENM002")) == (1, ["WIRE-F"])


def test_esper_has_kept_the_promises_of_its_newest_release(capsys):
    assert main(["compat"]) == 0
    assert "0 findings" in capsys.readouterr().out


def toy(text, version="1.0.0", **parts):
    """Return the contract with two events that hold a record; `text` is a field of it."""
    kept = (
        '{doc: K., family: zoo, payload: KeptPayload, promise: {wire: "none"},'
        " fields: {toy: {type: Toy, arg: true, doc: T.}}}"
    )
    parts = {"fields": "toy: {type: Toy, arg: true, doc: T.}", "events": f"KEPT: {kept}", **parts}
    parts["records"] = f"Toy: {{doc: T., fields: {{size: {{{text}, doc: S.}}}}}}"
    return contract_yaml(version, **parts)


SIZE = 'type: int, unit: "1"'


def test_a_step_in_a_record_and_one_beside_it_are_independent(tmp_path):
    number = 'x: {type: %s, unit: "1", range: [0, 3], arg: true, doc: X.}'
    share = "toy: {type: Toy, arg: true, doc: T.}\n"
    steps = "toy.size: {move: toy.extent}, x: {convert: x, round: true}"
    old = toy(f"{SIZE}, aliases: [extent]", fields=share + number % "float")
    new = toy(SIZE, "2.0.0", fields=share + number % "int", top=upcast(steps))
    code, findings = compare(tmp_path, old, new)
    assert (code, levels(findings, "FLD006"), levels(findings, "SPC009")) == (0, ["info"], [])


def test_a_value_for_missing_keys_is_kept_for_events_that_promise_it(tmp_path):
    step = upcast("toy.size: {fill: 1}")
    _, findings = compare(
        tmp_path, toy(f"{SIZE}, missing: 1"), toy(f"{SIZE}, missing: 2", "2.0.0", top=step)
    )
    assert levels(findings, "FLD031") == ["SEM"]
    assert levels(findings, "SPC003") == []
