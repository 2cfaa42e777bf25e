"""Sinks: where a hub's events can go besides the run log."""
