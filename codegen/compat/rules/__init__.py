"""Compatibility rules, one module for each subject; `catalogue.py` lists them all."""
