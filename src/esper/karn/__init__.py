"""Karn: summarizes runs from their logs, for people and for programs."""
