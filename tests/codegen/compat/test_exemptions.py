"""Exemptions excuse findings for a while, and are findings themselves when they rot."""

import pytest

from tests.codegen.compat.zoo import compare, levels, run, spell

OLD = "x: {type: int, unit: epochs, arg: true, doc: X.}"
NEW = "x: {type: str, arg: true, doc: X.}"
TODAY = "2026-03-01"


def exempt(key, until="2026-05-01"):
    """Spell an exemption."""
    return f'exemptions: {{{key}: {{until: "{until}", why: W.}}}}'


def judge(folder, top, *, version="2.0.0", new=NEW):
    """Compare a contract with one in which a field has changed; return exit code and findings."""
    new = spell(version, fields=new, top=top)
    return compare(folder, spell(fields=OLD), new, "--today", TODAY)


def test_an_exemption_excuses_what_it_names_and_nothing_else(tmp_path):
    code, findings = judge(tmp_path, exempt("FLD022 FED.x"))
    assert levels(findings, "FLD022") == []
    assert [one["rule"] for one in findings] == ["SPC003"]
    assert code == 1


def test_what_is_excused_is_counted(tmp_path):
    judge(tmp_path, exempt("FLD022 FED.x"))
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml", "--today", TODAY)
    assert out.endswith(
        "1 finding, 1 excused; since 1.0.0 the changes need 2.0.0 (major), got 2.0.0\n"
    )


def test_an_expired_exemption_goes_on_excusing_but_warns(tmp_path):
    top = 'exemptions: {FLD014 FED.x: {until: "2026-02-28", why: W.}}'
    nullable = OLD.replace("doc", "nullable: true, doc")
    _, findings = judge(tmp_path, top, version="1.1.0", new=nullable)
    assert levels(findings, "FLD014") == []
    (finding,) = [one for one in findings if one["rule"] == "SPC006"]
    assert "EXEMPTION_EXPIRED FLD014 FED.x: it ended on 2026-02-28" in finding["message"]


@pytest.mark.parametrize(
    ("top", "message"),
    [
        (exempt("FLD021 FED.x"), "EXEMPTION_UNUSED FLD021 FED.x: it excuses nothing"),
        (
            exempt("FLD022 FED.x", "2026-08-29"),
            "EXEMPTION_TOO_FAR FLD022 FED.x: it ends on 2026-08-29, more than 180 days from 2026-03-01",
        ),
    ],
)
def test_an_exemption_that_rots_is_a_finding(tmp_path, top, message):
    code, findings = judge(tmp_path, top)
    (finding,) = [one for one in findings if one["rule"] == "SPC006"]
    assert message in finding["message"]
    assert (code, finding["level"]) == (1, "policy")


def test_an_exemption_may_last_180_days(tmp_path):
    _, findings = judge(tmp_path, exempt("FLD022 FED.x", "2026-08-28"))
    assert levels(findings, "SPC006") == []


def test_the_version_cannot_be_excused(tmp_path):
    _, findings = judge(tmp_path, exempt("SPC001 version"), version="1.0.0")
    assert levels(findings, "SPC001") == ["policy"]


def test_the_text_ends_with_an_exemption_to_paste(tmp_path):
    judge(tmp_path, "")
    _, out, _ = run(tmp_path, "compat", "old.yaml", "new.yaml", "--today", TODAY)
    assert 'exemptions:\n        FLD022 FED.x: {until: "2026-05-30", why: ...}\n' in out
