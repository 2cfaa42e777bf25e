"""Leyline: the words that all rooms share."""
