"""Measures how long code generation takes, in whole processes.

- check_warm_s, check_cold_s: seconds for `codegen check` of our own contract, unchanged, with the texts in the cache and
  with an empty cache; check_warm_cpu_s, check_cold_cpu_s: the CPU seconds of the same.
- generate_1000_cpu_s: CPU seconds of generating the package of 1,000 events for the first time, with formatting.
- check_1000_warm_s, ...: the same as check_warm_s for that contract; cold, everything is rendered and formatted.
- import_1000_cpu_s: CPU seconds of a new process, without the start of Python, until it has emitted one of the 1,000 events
  to a file and read it back. Everything that this needs is counted, msgspec too; the byte code is on the disk.
- import_1000_all_cpu_s: the same until every name of the package has been imported, and every event can be written and read.
- peer: time of our Python target for 100 events, divided by that of datamodel-code-generator for their JSON Schema,
  both without formatting. The peer is optional: pip install datamodel-code-generator==0.89.0, and pass --peer with
  the path of its `datamodel-codegen` if that is not on the PATH.
- growth: time for each event from the 100th to the 1,000th, divided by that from the 10th to the 100th, without
  formatting.
- black_share, black_ms_an_event: share of formatting in generating 20 events for the first time, and milliseconds for
  each event.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Times:
    """The duration of a process and the time that it computed, in seconds."""

    wall_s: float
    cpu_s: float


FIELDS: dict[str, dict[str, Any]] = {
    "slot": {"type": "str", "length": [1, 64], "doc": "The slot."},
    "stage": {"type": "Stage", "doc": "Its stage."},
    "alpha": {"type": "float", "unit": "1", "range": [0, 1], "doc": "Its amplitude."},
    "gain": {"type": "float", "unit": "1", "nullable": True, "doc": "Its gain."},
    "num_epochs": {"type": "int", "unit": "1", "range": [0, None], "doc": "Epochs so far."},
    "is_done": {"type": "bool", "doc": "Whether it is done."},
    "parts": {"type": "str[]", "doc": "Its parts."},
    "reason": {"type": "str", "doc": "Why."},
}
IMPORTS = """
import time
start = time.process_time()
from checked import Stage, emit_event_7
from checked.writer import JsonLinesChannel, read_lines
with JsonLinesChannel("log.jsonl", strict=True, seq=1) as channel:
    emit_event_7(channel, slot="a", stage=Stage.NEW, alpha=0.5, gain=None, num_epochs=1, is_done=True, parts=(), reason="")
assert [envelope.event for envelope, _ in read_lines("log.jsonl")][-1] == "EVENT_7"
first = time.process_time()
from checked import *
preload_events()
print(first - start, time.process_time() - start)
"""
STAGES = ("NEW", "OLD", "GONE")
EVENTS_PER_FAMILY = 10


def contract_of(num_events: int) -> dict[str, Any]:
    """Return a contract with `num_events` events of eight fields, ten events in each family."""
    families = range((num_events + EVENTS_PER_FAMILY - 1) // EVENTS_PER_FAMILY)
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
                "family": f"family{number // EVENTS_PER_FAMILY}",
                "payload": f"Event{number}Payload",
                "fields": {name: field | {"arg": True} for name, field in FIELDS.items()},
            }
            for number in range(num_events)
        },
    }


def write_contract(folder: Path, num_events: int) -> Path:
    """Write a contract with `num_events` events and return its path; as JSON, which is also YAML."""
    spec = folder / f"contract{num_events}.yaml"
    spec.write_text(json.dumps(contract_of(num_events)), encoding="utf-8")
    return spec


def time_process(command: list[str], cwd: Path = PROJECT) -> float:
    """Run a command, and return how many seconds it takes."""
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - start


def time_check(folder: Path, layout: list[str], *, is_warm: bool) -> Times:
    """Run a check whose cache is in `folder`, warm or empty; return how long it takes."""
    if not is_warm:
        shutil.rmtree(folder / "cache", ignore_errors=True)
    return time_codegen(folder, "check", *layout)


def time_codegen(folder: Path, *arguments: str) -> Times:
    """Run the generator with the cache in `folder`; return how long it takes."""
    command = [sys.executable, "-m", "codegen", *arguments]
    environment = os.environ | {"ESPER_CODEGEN_CACHE": str(folder / "cache")}
    before, start = cpu_of_children(), time.perf_counter()
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, env=environment)
    return Times(time.perf_counter() - start, cpu_of_children() - before)


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_project(folder: Path, rounds: int, *, is_quick: bool) -> dict[str, float]:
    """Return the numbers of the package of 1,000 events, and of warm and cold checks, each from the fastest round.

    What is slow is run once: generating that package, and its cold check, which a quick measurement leaves out.
    """
    # The cache may not be inside the project.
    project = folder / "project"
    project.mkdir()
    spec, out = write_contract(project, 1000), project / "checked"
    large = ["--spec", str(spec), "--out", str(out), "--package", "checked"]
    numbers = {"generate_1000_cpu_s": time_codegen(folder, *large).cpu_s}
    numbers |= measure_imports(project, rounds)
    num_cold_large = 0 if is_quick else 1
    for name, layout, num_cold in (("check_1000", large, num_cold_large), ("check", [], rounds)):
        # The cold rounds come first, and fill the cache for the warm ones.
        for kind, number in (("cold", num_cold), ("warm", rounds)):
            if number == 0:
                continue
            timed = [time_check(folder, layout, is_warm=kind == "warm") for _ in range(number)]
            numbers[f"{name}_{kind}_s"] = min(one.wall_s for one in timed)
            numbers[f"{name}_{kind}_cpu_s"] = min(one.cpu_s for one in timed)
    return numbers


def measure_imports(project: Path, rounds: int) -> dict[str, float]:
    """Return how long a process takes to use the package `checked`: one of its events, and all of them."""
    # Byte code is written in the first run, which is not counted.
    allowed = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    runs = [
        subprocess.run(
            [sys.executable, "-c", IMPORTS],
            cwd=project,
            check=True,
            capture_output=True,
            env=allowed,
        )
        for _ in range(rounds + 1)
    ]
    timed = [[float(one) for one in run.stdout.split()] for run in runs[1:]]
    first, everything = (min(times) for times in zip(*timed, strict=True))
    return {"import_1000_cpu_s": first, "import_1000_all_cpu_s": everything}


def time_ours(folder: Path, num_events: int, *options: str) -> float:
    """Return how many seconds it takes to generate the Python package of a contract into an empty folder."""
    spec, out = write_contract(folder, num_events), folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    layout = ["--spec", str(spec), "--out", str(out), "--package", "out"]
    return time_process(
        [sys.executable, "-m", "codegen", "--no-cache", "--target", "python", *layout, *options]
    )


def time_peer(peer: str, folder: Path, num_events: int) -> float:
    """Return how many seconds datamodel-code-generator takes for the JSON Schema of the same contract.

    It generates dataclasses that check their arguments, which are most similar to our payloads.
    """
    spec, schema = write_contract(folder, num_events), folder / "schema"
    if not schema.exists():
        layout = ["--spec", str(spec), "--out", str(schema), "--package", "schema"]
        time_process([sys.executable, "-m", "codegen", "--target", "json_schema", *layout])
    model = ["--output-model-type", "pydantic_v2.dataclass", "--no-formatters"]
    source = ["--input", str(schema / "telemetry.schema.json"), "--input-file-type", "jsonschema"]
    return time_process([peer, *source, *model, "--output", "models.py"], cwd=folder)


def measure(peer: str | None, rounds: int, *, is_quick: bool) -> dict[str, float | None]:
    """Return all numbers, each from the fastest round; that of the peer is None without a peer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks: dict[str, Callable[[], float]] = {
            "10": lambda: time_ours(folder, 10, "--no-format"),
            "100": lambda: time_ours(folder, 100, "--no-format"),
            "1000": lambda: time_ours(folder, 1000, "--no-format"),
            "20": lambda: time_ours(folder, 20, "--no-format"),
            "20 formatted": lambda: time_ours(folder, 20),
        }
        if peer:
            tasks["peer"] = lambda: time_peer(peer, folder, 100)
        # Each round times everything once, so that a busy minute affects all numbers alike.
        timed = [{name: task() for name, task in tasks.items()} for _ in range(rounds)]
        checks = measure_project(folder, rounds, is_quick=is_quick)
    best = {name: min(one[name] for one in timed) for name in tasks}
    black = best["20 formatted"] - best["20"]
    return {
        **checks,
        "peer": best["100"] / best["peer"] if peer else None,
        "growth": ((best["1000"] - best["100"]) / 900) / ((best["100"] - best["10"]) / 90),
        "black_share": black / best["20 formatted"],
        "black_ms_an_event": black / 20 * 1000,
    }


TARGETS = {
    "generate_1000_cpu_s": 45.0,
    "import_1000_cpu_s": 1.0,
    "import_1000_all_cpu_s": 1.0,
    "check_warm_s": 1.5,
    "check_1000_warm_s": 5.0,
    "peer": 0.5,
    "growth": 1.5,
}


def main() -> None:
    """Measure, and print the numbers; with --json also as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peer", default=shutil.which("datamodel-codegen"), help="path of datamodel-codegen"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of times that everything is timed"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the numbers as a line of JSON at the end"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round, and no cold check of 1,000 events"
    )
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    numbers = measure(options.peer, rounds, is_quick=options.quick)
    for name, number in numbers.items():
        limit = f"  (at most {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:22} {'not measured' if number is None else f'{number:.3f}'}{limit}")
    if options.json:
        print(json.dumps({name: number and round(number, 4) for name, number in numbers.items()}))


if __name__ == "__main__":
    main()
