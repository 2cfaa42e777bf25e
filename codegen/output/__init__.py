"""From rendered text to files: formatted, checked, written, and compared with what is on disk."""
