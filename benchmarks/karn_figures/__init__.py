"""The figures of benchmarks/karn.py, a module for each."""
