"""Diagnostics: exceptions of codegen, and findings with their place, rule and hint."""
