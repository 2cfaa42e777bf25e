"""Sinks: the places besides the run log that a hub can deliver events to."""
