"""Karn: recalls what happened in a run."""
