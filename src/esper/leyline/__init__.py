"""Leyline: the definitions that all rooms share: stages, actions, policy inputs, the telemetry channel, errors."""
