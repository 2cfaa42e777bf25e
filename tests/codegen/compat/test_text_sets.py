"""Inclusion of sets of texts: compared with trying all short texts."""

import re
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from codegen.compat.text_sets import TextSet, includes
from codegen.contract.nodes import Bounds

ITEMS = st.tuples(
    st.sampled_from(["a", "b", "[ab]", "[^a]", r"\."]), st.sampled_from(["", "?", "*", "+", "{2}"])
).map("".join)
PATTERNS = st.lists(st.lists(ITEMS, max_size=3).map("".join), min_size=1, max_size=2).map("|".join)
TEXTS = ["".join(letters) for length in range(5) for letters in product("ab.", repeat=length)]


@given(outer=PATTERNS, inner=PATTERNS, length=st.none() | st.integers(0, 4))
def test_inclusion_agrees_with_all_short_texts(outer, inner, length):
    sets = TextSet(outer), TextSet(inner, Bounds(None, length))
    texts = [one for one in TEXTS if re.fullmatch(inner, one)]
    texts = [one for one in texts if length is None or len(one) <= length]
    missing = [one for one in texts if not re.fullmatch(outer, one)]
    if includes((sets[0],), (sets[1],)):
        assert missing == []
    elif length is not None:
        # The alphabet has a text for every group of letters that these patterns distinguish.
        assert missing


def test_a_pattern_that_is_not_allowed_any_more_includes_only_itself():
    former = TextSet("(ab)+")
    assert includes((former,), (former,))
    assert includes((TextSet(),), (former,))
    assert not includes((TextSet("[ab]+"),), (former,))
    assert not includes((former,), (TextSet("[(]ab[)]+"),))
