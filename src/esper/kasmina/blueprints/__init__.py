"""Blueprints: functions that build seeds, and the registry that finds them by topology and name."""
