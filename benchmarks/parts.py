"""Stores the results of a long benchmark part by part, so that a run that was interrupted goes on where it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Parts:
    """The results of the parts that are done, by name, in a file of JSON; without a file, in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Read the results of earlier runs from `path`, if it exists."""
        self._path = path
        self._results: dict[str, Any] = {}
        if path is not None and path.exists():
            self._results = json.loads(path.read_text(encoding="utf-8"))

    def get(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return the stored result of the part called `name`, or measure and store it."""
        if name not in self._results:
            self._results[name] = measure()
            if self._path is not None:
                part = self._path.with_suffix(".part")
                part.write_text(json.dumps(self._results), encoding="utf-8")
                part.replace(self._path)
        return self._results[name]
