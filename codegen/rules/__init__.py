"""Rules: what a contract must keep to beyond its form, one function a rule."""
