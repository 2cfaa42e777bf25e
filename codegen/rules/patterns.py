r"""The rule about patterns: all languages match the same texts, and no text makes a matcher run away.

The matchers of Python and JavaScript backtrack: they match a repetition as often as possible, and give characters back
one by one when the rest fails. `bound_steps` computes an upper bound of the tests of one character (or of the end) that
this takes, and a pattern is refused if the bound is too high. Proof of the bound, for the items i, i+1, ... of one
sequence, and at most n characters that are left:

- After the last item, one test finds out whether the text has ended: T = 1.
- A repetition with a fixed count m makes at most m tests, and the rest is tried once: T(i) = m + T(i+1).
- Any other repetition of at least l and at most h characters first takes a run, in at most r = min(h, n) + 1 tests. The
  rest is tried after c = min(h, n) - l + 1 or fewer counts. In general each of them can be expensive: T(i) = r + c T(i+1).
- If no character that the repetition takes can begin the rest, only the longest count can be. After any other count the
  next character is one of the run, so every following item fails at its first test, up to the first item that cannot be
  left out, or the end. With k items after this one, that takes at most k + 1 tests: T(i) = r + c (k + 1) + T(i+1).

The sequences of a choice are tried one after the other, so their bounds are added. Each bound is a polynomial of n, in
which r and c are constants wherever the repetition, or the declared length of the text, has an upper limit.
"""

from collections.abc import Iterator

from ..contract.model import Contract, Primitive, Value
from ..contract.patterns import PatternError, Ranges, Sequence, parse_pattern
from ..contract.spec import ContractSpec
from .rule import Breach

MAX_STEPS = 200_000
"""Most steps for one text; about five milliseconds in CPython."""
MAX_STEPS_PER_CHARACTER = 1_000
"""Most steps for each character of a text of any length."""

_HINT = (
    "use characters, classes like [a-z0-9], the repeats ? * + {2,8}, and | between whole choices"
)

_SHORTHANDS = {
    r"\d": "[0-9]",
    r"\w": "[A-Za-z0-9_]",
    r"\s": "[ ]",
    r"\b": "the characters around it",
}

Polynomial = tuple[int, ...]
"""The coefficients of 1, n, n^2, ..."""


def check_patterns(contract: Contract, spec: ContractSpec) -> Iterator[Breach]:
    """Check that a pattern means the same in every output language, and that matching it is bounded."""
    for value in contract.values:
        if value.pattern is None:
            continue
        try:
            sequences = parse_pattern(value.pattern)
        except PatternError as error:
            yield Breach(value.at("pattern"), str(error), _hint_for(value.pattern))
            continue
        if not _is_bounded(sequences, _longest(value)):
            yield Breach(value.at("pattern"), *_describe_excess(sequences, value))


def _hint_for(pattern: str) -> str:
    found = next((one for one in _SHORTHANDS if one in pattern), None)
    return f"instead of {found}, write {_SHORTHANDS[found]}; {_HINT}" if found else _HINT


def is_usable(value: Value) -> bool:
    """Return whether texts can be matched with the pattern of a value."""
    if value.pattern is None:
        return False
    try:
        return _is_bounded(parse_pattern(value.pattern), _longest(value))
    except PatternError:
        return False


def bound_steps(sequences: tuple[Sequence, ...], length: int | None = None) -> Polynomial:
    """Return an upper bound of the steps that a backtracking matcher takes for a text of n characters.

    If `length` is given, the text has at most so many characters.
    """
    total: Polynomial = ()
    for items in sequences:
        total = _add(total, _bound_sequence(items, length))
    return total


def evaluate(polynomial: Polynomial, n: int) -> int:
    """Return the value of a polynomial at n."""
    return sum(factor * n**power for power, factor in enumerate(polynomial))


def _is_bounded(sequences: tuple[Sequence, ...], length: int | None) -> bool:
    if length is not None and evaluate(bound_steps(sequences, length), length) <= MAX_STEPS:
        return True
    steps = bound_steps(sequences)
    return len(steps) <= 2 and steps[0] <= MAX_STEPS and sum(steps[1:]) <= MAX_STEPS_PER_CHARACTER


def _longest(value: Value) -> int | None:
    """Return the declared greatest length of the texts of a value; the length of a list or map is not meant."""
    if value.type != Primitive("str") or value.length is None or value.length.high is None:
        return None
    return max(int(value.length.high), 0)


def _describe_excess(sequences: tuple[Sequence, ...], value: Value) -> tuple[str, str]:
    """Return the message and the hint for a pattern whose bound is too high."""
    length = _longest(value)
    steps = bound_steps(sequences, length)
    if length is not None or len(steps) <= 2:
        at = "a text" if length is None else f"a text of {length} characters"
        message = f"matching {at} can take {evaluate(steps, length or 1)} steps"
    else:
        message = f"matching a text of n characters can take about n^{len(steps) - 1} steps"
    hint = "let neighbouring repeats have no character in common, like [a-z]+[0-9]+"
    shorter = _find_length(sequences)
    if value.type == Primitive("str") and shorter:
        hint += f", or add length: [0, {shorter}]"
    return message, hint


def _find_length(sequences: tuple[Sequence, ...]) -> int:
    """Return the greatest length for which the bound is low enough; 0 if there is no useful one."""
    low, high = 0, MAX_STEPS
    while low < high:
        middle = (low + high + 1) // 2
        if evaluate(bound_steps(sequences, middle), middle) <= MAX_STEPS:
            low = middle
        else:
            high = middle - 1
    return low


def _bound_sequence(items: Sequence, length: int | None) -> Polynomial:
    steps: Polynomial = (1,)
    beginnings: Ranges = ()
    for rest, item in enumerate(reversed(items)):
        high = item.high
        if length is not None:
            high = length if high is None else min(high, length)
        run: Polynomial = (1, 1) if high is None else (high + 1,)
        if item.low == item.high:
            steps = _add((item.low,), steps)
        elif _have_common(item.characters, beginnings):
            steps = _add(run, _multiply(_counts(item.low, high), steps))
        else:
            fails = _multiply(_counts(item.low, high), (rest + 1,))
            steps = _add(run, _add(fails, steps))
        beginnings = item.characters if item.low > 0 else (*beginnings, *item.characters)
    return steps


def _counts(low: int, high: int | None) -> Polynomial:
    """Return how many counts a repetition can have; more than low - 1 characters are left, or none succeeds."""
    return (1, 1) if high is None else (max(high - low, 0) + 1,)


def _add(left: Polynomial, right: Polynomial) -> Polynomial:
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    return (*(a + b for a, b in zip(longer, shorter, strict=False)), *longer[len(shorter) :])


def _multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    product = [0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return tuple(product)


def _have_common(left: Ranges, right: Ranges) -> bool:
    return any(a <= d and c <= b for a, b in left for c, d in right)
