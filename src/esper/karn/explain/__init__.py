"""Explain: says in sentences what happened in a run, what looks wrong, and what to try."""
