"""Generated files: rendering, formatting, checking, writing, and comparing with the files on disk."""
