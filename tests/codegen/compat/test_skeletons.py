"""Whatever compat prints as a way out can be followed: validate accepts every skeleton of an upcast."""

from textwrap import indent

import pytest
import yaml

from benchmarks.compat_campaign.drawing import draw
from benchmarks.compat_campaign.edits import EDITS
from benchmarks.compat_campaign.packages import InvalidContractError, compile_plain
from codegen.compat.catalogue import compare_contracts
from codegen.compile import compile_text
from codegen.diagnostics.findings import Findings
from tests.codegen.compat.test_rules import CHANGES, x
from tests.codegen.compat.zoo import compare, contract_yaml, levels, run

NESTED = [
    ("meal", x("type: str"), x("type: str, wire: z")),
    ("meal", x('type: int, unit: "1"'), x('type: int, unit: "1", range: [2, 3]')),
    ("meal", "", x("type: Mood")),
    ("meal", x("type: str"), x("type: Mood")),
    ("fields", x("type: str, arg: true"), x("type: str, arg: true, wire: a.b")),
    ("fields", x('type: float, unit: "1", arg: true'), x('type: int, unit: "1", range: [1, 9], arg: true')),
    ("fields", x('type: float, unit: "1", arg: true'), x('type: float, unit: "1", range: [1.0e-7, 0.5], arg: true')),
    ("fields", x("type: str, arg: true"), x('type: int, unit: "1", arg: true')),
    ("fields", x("type: bool, arg: true"), x("type: str, arg: true")),
    ("fields", "", x("type: str, length: [3, 9], arg: true")),
    ("fields", "", x('type: str, pattern: "[a-z]+", arg: true')),
    ("fields", "", x('type: "Meal[]", length: [1, 2], arg: true')),
    ("fields", "", x('type: "str{}", length: [1, 2], arg: true')),
    ("fields", "", x("type: Meal, arg: true")),
]  # fmt: skip


def compile_clean(text):
    findings = Findings()
    contract = compile_text(text, "zoo.yaml", findings)
    assert contract is not None, list(findings)
    return contract


def skeletons(before, after):
    """Return the missing steps that compat prints for a pair of contracts, by event."""
    steps = {}
    _, found = compare_contracts(before, after, {})
    for one in found:
        for required in one.change.required_upcasts:
            if not required.is_present:
                steps.setdefault(required.event, set()).add(required.step)
    return steps


def upcasts_of(steps):
    """Return the section of upcasts with these steps."""
    lines = ["upcasts:", "  2.0.0:", "    doc: D.", "    events:"]
    for event, wanted in steps.items():
        becomes = sorted(one for one in wanted if one.startswith("becomes: "))
        fields = sorted(wanted - set(becomes))
        lines += [f"      {event}:", *(f"        {one}" for one in becomes[:1])]
        lines += ["        fields:", *(f"          {one}" for one in fields)] if fields else []
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [(place, before, after) for _, _, place, before, after in CHANGES if place != "top"] + NESTED,
)
def test_a_skeleton_is_accepted_by_validate(place, before, after):
    old, new = contract_yaml(**{place: before}), contract_yaml("2.0.0", **{place: after})
    # Each on its own, because a change can have several ways out.
    for event, steps in skeletons(compile_clean(old), compile_clean(new)).items():
        for step in steps:
            with_upcast = contract_yaml("2.0.0", **{place: after}, top=upcasts_of({event: {step}}))
            compile_clean(with_upcast)


@pytest.mark.parametrize("seed", range(0, 150, 5))
def test_a_skeleton_for_random_changes_is_accepted_by_validate(seed):
    for each in range(seed, seed + 5):
        pair = draw(each, EDITS)
        pair.new["version"] = "2.0.0"
        pair.new.pop("upcasts", None)
        try:
            old, new = compile_plain(pair.old), compile_plain(pair.new)
        except InvalidContractError:
            continue
        for event, steps in skeletons(old, new).items():
            for step in steps:
                plain = yaml.safe_load(upcasts_of({event: {step}}).replace("2.0.0:", "'2.0.0':"))
                compile_plain(pair.new | plain)


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        ("fields", x("type: str, arg: true"), x("type: str, length: [2, 3], arg: true")),
        ("fields", x("type: str, arg: true"), x('type: int, unit: "1", arg: true')),
        ("fields", x("type: str, arg: true"), x('type: str, pattern: "[a-z]+", arg: true')),
        ("fields", x("type: bool, arg: true"), x('type: "bool[]", arg: true')),
    ],
)
def test_where_no_upcast_helps_another_field_is_suggested(tmp_path, place, before, after):
    old, new = contract_yaml(**{place: before}), contract_yaml("2.0.0", **{place: after})
    assert skeletons(compile_clean(old), compile_clean(new)) == {}
    compare(tmp_path, old, new)
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml")
    assert "remedy: add a field with the new" in out
    assert "upcasts" not in out


def test_aliases_are_suggested_only_while_they_are_missing(tmp_path):
    number = "type: int, unit: epochs, arg: true"
    for aliases, count in (("", 1), (", aliases: [x]", 0)):
        new = contract_yaml(fields=x(f"{number}, wire: z{aliases}"))
        _, findings = compare(tmp_path, contract_yaml(fields=x(number)), new)
        (finding,) = [one for one in findings if one["rule"] == "FLD006"]
        assert finding["message"].count("under aliases") == count


def test_an_exemption_is_offered_only_where_it_ends_the_failure(tmp_path):
    number = "type: int, unit: epochs, arg: true"
    old = contract_yaml(fields=x(number))
    new = contract_yaml("1.1.0", fields=f"w: {{{number}, wire: x, renamed_from: x, doc: W.}}")
    compare(tmp_path, old, new)
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml")
    assert ("FLD007" in out, "release it as 2.0.0" in out, "exemptions:" in out) == (
        True,
        True,
        False,
    )

    tightened = contract_yaml("2.0.0", fields=x(f"{number}, range: [0, 9]"))
    compare(tmp_path, old, tightened)
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml", "--today", "2026-06-01")
    assert "FLD034 FED.x: {until:" in out
    keys = [line.strip() for line in out.splitlines() if "{until:" in line]
    top = "exemptions:\n" + indent("\n".join(sorted(set(keys))), "  ").replace("...", "W.")
    excused = contract_yaml("2.0.0", fields=x(f"{number}, range: [0, 9]"), top=top)
    code, findings = compare(tmp_path, old, excused, "--today", "2026-06-01")
    assert (code, levels(findings, "SPC006")) == (0, [])
