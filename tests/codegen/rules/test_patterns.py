"""A pattern is accepted only if the steps of a backtracking matcher are bounded, and the bound is true."""

import re
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codegen.contract.patterns import parse_pattern
from codegen.rules.patterns import MAX_STEPS, MAX_STEPS_PER_CHARACTER, bound_steps, evaluate
from tests.codegen.tiny import complaints_of, tiny


class Matcher:
    """Matches whole texts as the matchers of Python and JavaScript do, and counts the characters that it tests."""

    def __init__(self, sequences, text):
        self._text = text
        self._sequences = sequences
        self.steps = 0
        self.matches = any(self._match(items, 0) for items in sequences)

    def _match(self, items, position):
        if not items:
            self.steps += 1
            return position == len(self._text)
        item, rest = items[0], items[1:]
        count = 0
        while item.high is None or count < item.high:
            self.steps += 1
            if not self._takes(item, position + count):
                break
            count += 1
        while count >= item.low:
            if self._match(rest, position + count):
                return True
            count -= 1
        return False

    def _takes(self, item, position):
        if position >= len(self._text):
            return False
        code = ord(self._text[position])
        return any(low <= code <= high for low, high in item.characters)


def complaints(pattern, keys="type: str"):
    quoted = pattern.replace("'", "''")
    return complaints_of(tiny(f"value: {{arg: true, doc: A value., {keys}, pattern: '{quoted}'}}"))


SETS = ("a", "b", "[ab]", "[a-c]", "[^a]", "[^ab]", "[bc-]", r"\.", "-")
COUNTS = ("", "?", "*", "+", "{2}", "{0,3}", "{1,2}", "{2,}")
items = st.builds(str.__add__, st.sampled_from(SETS), st.sampled_from(COUNTS))
sequences = st.lists(items, max_size=6).map("".join)
patterns = st.lists(sequences, min_size=1, max_size=3).map("|".join)
# A pumped text is what makes a matcher slow: a run, after which the match fails.
pumped = st.builds(
    lambda parts, end: "".join(part * count for part, count in parts) + end,
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "ab", ".", "-", "c"]), st.integers(0, 9)), max_size=4
    ),
    st.sampled_from(["", "!", "a", "b"]),
)


@given(patterns, pumped)
def test_the_bound_is_never_exceeded(pattern, text):
    parsed = parse_pattern(pattern)
    steps = Matcher(parsed, text).steps
    assert steps <= evaluate(bound_steps(parsed), len(text))
    assert steps <= evaluate(bound_steps(parsed, len(text)), len(text))


@given(patterns, pumped)
def test_the_matcher_that_counts_agrees_with_that_of_python(pattern, text):
    assert Matcher(parse_pattern(pattern), text).matches == bool(re.fullmatch(pattern, text))


@settings(max_examples=50)
@given(patterns, st.sampled_from(["a", "b", "ab", "aab", "."]), st.sampled_from(["", "!"]))
def test_an_accepted_pattern_takes_linear_time(pattern, unit, end):
    assume(complaints(pattern) == "")
    parsed = parse_pattern(pattern)
    steps = [Matcher(parsed, unit * count + end).steps for count in (50, 100, 200)]
    # Twice as many more characters take at most about twice as many more steps; a constant part has no effect on that.
    first, second = (more - fewer for fewer, more in pairwise(steps))
    assert second <= 2.5 * first + 50
    assert steps[-1] <= MAX_STEPS + MAX_STEPS_PER_CHARACTER * (200 * len(unit) + 1)


RUNAWAY = {
    "a?" * 22 + "a" * 22: "a" * 21 + "!",
    "[a-z]*[a-z]*[a-z]*[a-z]*!": "a" * 40,
    "a*a*": "a" * 400 + "!",
    "[a-z]+[0-9a-f]+[a-z]+": "a" * 100 + "!",
    "[a-z]*[0-9]*[a-z]*x": "a" * 400,
    "[^b]*a?[^c]*b": "a" * 400,
    "a{0,99}a{0,99}a{0,99}": "a" * 60 + "!",
}


@pytest.mark.parametrize(("pattern", "text"), RUNAWAY.items(), ids=list(RUNAWAY))
def test_a_pattern_that_can_run_away_is_refused(pattern, text):
    assert "VAL003 matching a text" in complaints(pattern)
    assert "neighbouring repeats" in complaints(pattern)


def test_a_refused_pattern_really_takes_more_than_linear_time():
    for pattern in ("a*a*", "[a-z]*[0-9]*[a-z]*x", "[^b]*a?[^c]*b"):
        parsed = parse_pattern(pattern)
        fewer, more = (Matcher(parsed, "a" * count + "!").steps for count in (50, 100))
        assert more > 3 * fewer


@pytest.mark.parametrize(
    "pattern",
    [
        r"[0-9]+\.[0-9]+\.[0-9]+",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.?[0-9]*Z",
        "[a-z][a-z0-9_]*",
        "[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]",
        "[a-z0-9-]+@[0-9]+",
        r"\/?[A-Za-z0-9._\/-]+",
        "r[0-9]{1,4}c[0-9]{1,4}",
        r"-?[0-9]+|-?[0-9]+\.[0-9]+",
        "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
        "sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|",
        "[^ ]+ [^ ]+ [^ ]+",
        "[0-9a-f]{9999}",
    ],
)
def test_an_ordinary_pattern_is_accepted(pattern):
    assert complaints(pattern) == ""


def test_a_declared_length_bounds_a_pattern():
    email = r"[a-z0-9._-]+@[a-z0-9.-]+\.[a-z]{2,}"
    assert "can take about n^2 steps" in complaints(email)
    assert "or add length: [0, " in complaints(email)
    assert complaints(email, "type: str, length: [3, 254]") == ""
    assert "a text of 9000 characters can take" in complaints(email, "type: str, length: [0, 9000]")


def test_the_length_that_is_suggested_suffices_and_no_greater_one_does():
    [suggested] = re.findall(r"add length: \[0, ([0-9]+)\]", complaints("a*a*a*"))
    assert complaints("a*a*a*", f"type: str, length: [0, {suggested}]") == ""
    assert complaints("a*a*a*", f"type: str, length: [0, {int(suggested) + 1}]")


def test_the_length_of_a_list_does_not_bound_its_texts():
    found = complaints("a*a*", "type: 'str[]', length: [0, 9]")
    assert "can take about n^2 steps" in found
    assert "add length" not in found


def test_a_default_is_not_matched_with_a_pattern_that_is_refused():
    evil = "a?" * 40 + "a" * 40
    found = complaints(evil, f"type: str, default: {'a' * 39}")
    assert "VAL003" in found
    assert "VAL005" not in found


@pytest.mark.parametrize("pattern", ["[a--b]", "[a&&b]", "[a||b]", "[a~~b]"])
def test_an_operation_on_sets_is_refused(pattern):
    assert "languages read" in complaints(pattern)
