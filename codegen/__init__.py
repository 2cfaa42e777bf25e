"""Codegen: compiles the telemetry contract into code, and checks changes of the contract and its use."""
