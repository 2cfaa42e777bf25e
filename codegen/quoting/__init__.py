"""Quoting: how text becomes source in the output languages beside Python, proved when it is made."""
