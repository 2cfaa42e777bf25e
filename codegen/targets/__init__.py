"""Targets: one module for each thing that is generated from the contract."""
