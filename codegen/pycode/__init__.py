"""Pycode: pieces of Python source, shared by every target that writes Python."""
