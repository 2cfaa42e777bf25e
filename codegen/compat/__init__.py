"""Compat: who is broken by a change of the contract (readers, records, callers), and how that can be resolved."""
