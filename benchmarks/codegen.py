"""How long does generating take? Whole processes, in one run.

- check: `codegen check` of our own unchanged contract, in seconds.
- peer: our Python target for 100 events, over datamodel-code-generator on the equivalent JSON Schema, both
  without formatting. The peer is optional: pip install datamodel-code-generator==0.89.0, and pass --peer with
  the path of its `datamodel-codegen` where that is not on the PATH.
- growth: seconds an event costs among 1,000 events, over what it costs among 10.
- black: the share that formatting has of generating 20 events for the first time, and milliseconds an event.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
FIELDS: dict[str, dict[str, Any]] = {
    "slot": {"type": "str", "length": [1, 64], "doc": "The slot."},
    "stage": {"type": "Stage", "doc": "Its stage."},
    "alpha": {"type": "float", "unit": "1", "range": [0, 1], "doc": "Its amplitude."},
    "gain": {"type": "float", "unit": "1", "nullable": True, "doc": "What it gained."},
    "num_epochs": {"type": "int", "unit": "1", "range": [0, None], "doc": "Epochs so far."},
    "is_done": {"type": "bool", "doc": "Whether it is done."},
    "parts": {"type": "str[]", "doc": "Its parts."},
    "reason": {"type": "str", "doc": "Why."},
}
STAGES = ("NEW", "OLD", "GONE")
EVENTS_A_FAMILY = 10


def contract_of(num_events: int) -> dict[str, Any]:
    """Return a contract with so many events of eight fields, ten events a family."""
    families = range((num_events + EVENTS_A_FAMILY - 1) // EVENTS_A_FAMILY)
    members = {name: {"value": value, "doc": "A stage."} for value, name in enumerate(STAGES)}
    return {
        "version": "1.0.0",
        "owner": "benchmark",
        "enums": {"Stage": {"doc": "A stage.", "members": members}},
        "envelope": {
            "doc": "A line.",
            "fields": {"seq": {"type": "int", "unit": "1", "doc": "Number of the line."}},
        },
        "families": {f"family{number}": {"doc": "Some events."} for number in families},
        "events": {
            f"EVENT_{number}": {
                "doc": "Something happened.",
                "family": f"family{number // EVENTS_A_FAMILY}",
                "payload": f"Event{number}Payload",
                "fields": {name: said | {"arg": True} for name, said in FIELDS.items()},
            }
            for number in range(num_events)
        },
    }


def schema_of(num_events: int) -> dict[str, Any]:
    """Return the JSON Schema that says the same of as many payloads."""
    properties = {
        "slot": {"type": "string", "minLength": 1, "maxLength": 64},
        "stage": {"$ref": "#/$defs/Stage"},
        "alpha": {"type": "number", "minimum": 0, "maximum": 1},
        "gain": {"type": ["number", "null"]},
        "num_epochs": {"type": "integer", "minimum": 0},
        "is_done": {"type": "boolean"},
        "parts": {"type": "array", "items": {"type": "string"}},
        "reason": {"type": "string"},
    }
    described = {
        name: schema if "$ref" in schema else schema | {"description": FIELDS[name]["doc"]}
        for name, schema in properties.items()
    }
    payload = {
        "type": "object",
        "description": "Something happened.",
        "properties": described,
        "required": list(described),
        "additionalProperties": False,
    }
    names = [f"Event{number}Payload" for number in range(num_events)]
    definitions = {"Stage": {"enum": list(STAGES)}} | dict.fromkeys(names, payload)
    return {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names], "$defs": definitions}


def time_process(command: list[str], rounds: int, cwd: Path = PROJECT) -> float:
    """Return the median number of seconds that a command takes."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def time_ours(folder: Path, num_events: int, rounds: int, *options: str) -> float:
    """Return how long it takes to generate the Python package of a contract into an empty folder."""
    spec = folder / f"contract{num_events}.yaml"
    spec.write_text(json.dumps(contract_of(num_events)), encoding="utf-8")
    seconds = []
    for number in range(rounds):
        out = folder / f"out{num_events}_{number}_{len(options)}"
        layout = ["--spec", str(spec), "--out", str(out), "--package", "out"]
        command = [sys.executable, "-m", "codegen", "--target", "python", *layout, *options]
        seconds.append(time_process(command, 1))
    return statistics.median(seconds)


def time_peer(peer: str, folder: Path, num_events: int, rounds: int) -> float:
    """Return how long datamodel-code-generator takes for the equivalent schema."""
    schema = folder / "schema.json"
    schema.write_text(json.dumps(schema_of(num_events)), encoding="utf-8")
    model = ["--output-model-type", "dataclasses.dataclass", "--no-formatters"]
    files = ["--input", str(schema), "--input-file-type", "jsonschema", "--output", "models.py"]
    return time_process([peer, *files, *model], rounds, cwd=folder)


def measure(peer: str | None, rounds: int) -> dict[str, float | None]:
    """Return every number; the peer's is None where there is no peer."""
    check = time_process([sys.executable, "-m", "codegen", "check"], rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nothing = time_ours(folder, 1, rounds, "--no-format")
        few, hundred, many = (
            time_ours(folder, number, rounds, "--no-format") for number in (10, 100, 1000)
        )
        unformatted, formatted = (
            time_ours(folder, 20, rounds, *options) for options in (("--no-format",), ())
        )
        theirs = time_peer(peer, folder, 100, rounds) if peer else None
    return {
        "check_s": check,
        "peer": hundred / theirs if theirs else None,
        "growth": ((many - nothing) / 999) / ((few - nothing) / 9),
        "black_share": (formatted - unformatted) / formatted,
        "black_ms_an_event": (formatted - unformatted) / 20 * 1000,
    }


TARGETS = {"check_s": 1.5, "peer": 0.5, "growth": 1.5}


def main() -> None:
    """Measure and print; with --json as one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", default=shutil.which("datamodel-codegen"), help="its path")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is timed")
    parser.add_argument(
        "--json", action="store_true", help="end with the numbers as a line of JSON"
    )
    options = parser.parse_args()
    numbers = measure(options.peer, options.rounds)
    for name, number in numbers.items():
        limit = f"  (at most {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:18} {'not measured' if number is None else f'{number:.3f}'}{limit}")
    if options.json:
        print(json.dumps({name: number and round(number, 4) for name, number in numbers.items()}))


if __name__ == "__main__":
    main()
