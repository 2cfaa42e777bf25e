"""Exemptions excuse findings until a day, and are findings themselves when they are expired, unused or too long."""

import pytest

from tests.codegen.compat.zoo import compare, contract_yaml, levels, run

OLD = "x: {type: int, unit: epochs, arg: true, doc: X.}"
NEW = "x: {type: str, arg: true, doc: X.}"
TODAY = "2026-03-01"


def exempt(key, until="2026-05-01"):
    """Return the YAML of an exemption."""
    return f'exemptions: {{{key}: {{until: "{until}", why: W.}}}}'


def compare_with_exemption(folder, top, *, version="2.0.0", new=NEW):
    """Compare two contracts between which the type of a field changes; return exit code and findings."""
    new = contract_yaml(version, fields=new, top=top)
    return compare(folder, contract_yaml(fields=OLD), new, "--today", TODAY)


def test_an_exemption_excuses_only_the_finding_that_it_names(tmp_path):
    more = f"{NEW}\ny: {{type: str, arg: true, doc: Y.}}"
    code, findings = compare_with_exemption(tmp_path, exempt("FLD022 FED.x"), new=more)
    assert {one["rule"] for one in findings} == {"FLD010", "SPC003"}
    assert code == 1


def test_excused_findings_are_counted(tmp_path):
    compare_with_exemption(tmp_path, exempt("FLD022 FED.x"))
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml", "--today", TODAY)
    assert out.endswith(
        "0 findings, 1 excused; since 1.0.0 the changes need 2.0.0 (major), got 2.0.0\n"
    )


def test_an_expired_exemption_still_excuses_its_finding_with_a_warning(tmp_path):
    top = 'exemptions: {FLD014 FED.x: {until: "2026-02-28", why: W.}}'
    nullable = OLD.replace("doc", "nullable: true, doc")
    _, findings = compare_with_exemption(tmp_path, top, version="1.1.0", new=nullable)
    assert levels(findings, "FLD014") == []
    (finding,) = [one for one in findings if one["rule"] == "SPC006"]
    assert "EXEMPTION_EXPIRED FLD014 FED.x: it ended on 2026-02-28" in finding["message"]


@pytest.mark.parametrize(
    ("top", "message"),
    [
        (exempt("FLD021 FED.x"), "EXEMPTION_UNUSED FLD021 FED.x: it excuses no finding"),
        (
            exempt("FLD022 FED.x", "2026-08-29"),
            "EXEMPTION_TOO_FAR FLD022 FED.x: it ends on 2026-08-29, more than 180 days from 2026-03-01",
        ),
    ],
)
def test_an_unused_or_too_long_exemption_is_a_finding(tmp_path, top, message):
    code, findings = compare_with_exemption(tmp_path, top)
    (finding,) = [one for one in findings if one["rule"] == "SPC006"]
    assert message in finding["message"]
    assert (code, finding["level"], finding["impact"]) == (1, "error", "policy")


def test_an_exemption_may_last_180_days(tmp_path):
    _, findings = compare_with_exemption(tmp_path, exempt("FLD022 FED.x", "2026-08-28"))
    assert levels(findings, "SPC006") == []


def test_a_finding_about_the_version_cannot_be_exempted(tmp_path):
    _, findings = compare_with_exemption(tmp_path, exempt("SPC001 version"), version="1.0.0")
    assert levels(findings, "SPC001") == ["policy"]


def test_the_text_offers_an_exemption_to_paste(tmp_path):
    compare_with_exemption(tmp_path, "")
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml", "--today", TODAY)
    assert 'exemptions:\n        FLD022 FED.x: {until: "2026-05-30", why: ...}\n' in out
