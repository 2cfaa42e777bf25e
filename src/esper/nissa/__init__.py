"""Nissa: carries telemetry from the code that emits it to sinks and the run log, and reads run logs."""
