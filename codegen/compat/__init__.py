"""Compat: which old readers, records and callers a change of the contract breaks, and how it may be made legally."""
