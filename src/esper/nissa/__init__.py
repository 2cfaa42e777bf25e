"""Nissa: carries telemetry from whoever tells to whoever listens."""
