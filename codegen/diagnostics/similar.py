"""Did-you-mean."""

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what `name` was probably meant to be; empty when nothing is close."""
    # Most runs have nothing to suggest.
    from difflib import get_close_matches

    by_lower = {candidate.lower(): candidate for candidate in known}
    # Comparing is quadratic in the length, and nothing known is longer than a name may be.
    matches = get_close_matches(name[:64].lower(), by_lower, n=1, cutoff=0.6)
    return f'did you mean "{by_lower[matches[0]]}"?' if matches else ""
