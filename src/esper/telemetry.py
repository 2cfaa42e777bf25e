"""The public home of the telemetry contract: payloads, records, enums, emission helpers and codec.

`SCHEMA_PATH`, `READER_SCHEMA_PATH`, `VIEWS_PATH` and `TYPESCRIPT_PATH` are files with the same contract as JSON Schemas,
DuckDB views and TypeScript types.
"""

from pathlib import Path
from typing import Final

import esper._generated as _generated
from esper._generated import *  # noqa: F403 - the contract decides what there is

__all__ = ["READER_SCHEMA_PATH", "SCHEMA_PATH", "TYPESCRIPT_PATH", "VIEWS_PATH"]
__all__ += _generated.__all__

_FOLDER = Path(_generated.__file__).parent

SCHEMA_PATH: Final = _FOLDER / "telemetry.schema.json"
"""JSON Schema (draft 2020-12) of one line of a run log, for writers: it allows exactly what this version writes."""
READER_SCHEMA_PATH: Final = _FOLDER / "telemetry.reader.schema.json"
"""JSON Schema of one line of a run log, for readers: it also allows what a later minor version may write."""
VIEWS_PATH: Final = _FOLDER / "views.sql"
"""DuckDB views, one for each event, over the files of a run log."""
TYPESCRIPT_PATH: Final = _FOLDER / "telemetry.ts"
"""TypeScript types of the lines of a run log."""
