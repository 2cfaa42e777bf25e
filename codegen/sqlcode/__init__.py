"""Sqlcode: pieces of SQL from which the views are made."""
