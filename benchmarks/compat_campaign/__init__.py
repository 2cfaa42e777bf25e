"""The compat campaign: random pairs of contracts, their real readers and callers, and the verdicts of compat."""
