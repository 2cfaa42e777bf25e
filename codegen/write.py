"""Writes files: atomically, only those that changed, and never outside their roots."""

import os
import tempfile
from pathlib import Path


def write(path: Path, text: str) -> bool:
    """Write a file unless it says so already; return whether it was written."""
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
    return True
