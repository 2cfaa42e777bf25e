"""Codegen: compiles the telemetry contract into code, and proves that both are sound."""
