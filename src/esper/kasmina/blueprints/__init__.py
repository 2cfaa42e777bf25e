"""Blueprints: what seeds are built from."""
