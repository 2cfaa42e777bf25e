"""Suggests a known name for an unknown one."""

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known name that is most similar to `name`; empty if no name is similar."""
    # Most runs have nothing to suggest and need not import this.
    from difflib import get_close_matches

    by_lower = {candidate.lower(): candidate for candidate in known}
    # Comparing takes quadratic time in the length, and a known name has at most 64 characters.
    matches = get_close_matches(name[:64].lower(), by_lower, n=1, cutoff=0.6)
    return f'did you mean "{by_lower[matches[0]]}"?' if matches else ""
