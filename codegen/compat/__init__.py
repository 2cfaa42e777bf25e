"""Compat: what a change of the contract breaks, for whom, and which ways forward are legal."""
