"""Checks for those who extend Esper, to be run by their own tests."""
