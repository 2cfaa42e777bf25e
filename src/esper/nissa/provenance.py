"""Describes where a run comes from: program, machine, configuration and data. Everything is read here, without a network."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from esper._generated.records import Provenance
from esper._generated.registry import VERSION as CONTRACT_VERSION
from esper.leyline.arguments import describe
from esper.leyline.errors import UsageError
from esper.leyline.secrets import command_without_secrets, config_without_secrets
from esper.leyline.text import encodable, shorten
from esper.nissa.git_state import GitState

GIT_TIMEOUT_S = 0.5
"""Seconds from the beginning after which the start of a run is reported without the answers of git."""
_MAX_COMMAND_BYTES = 3000
_MAX_CONFIG_BYTES = 8000
"""The line of a run's start must stay within the first 16 KiB of the log, which lists of runs read."""
_MAX_WORD = 1000
_MAX_WORDS = 256
_MAX_NAME = 256
_MAX_CONFIG_ENTRIES = 1024
_MAX_SEEDS, _MAX_HASHES = 16, 64
_CPU_INFO = Path("/proc/cpuinfo")


def describe_provenance(
    git: GitState,
    *,
    config: Mapping[str, Any],
    seeds: Mapping[str, object],
    data_hashes: Mapping[str, str],
    num_threads: int,
    accelerators: Iterable[str],
) -> Provenance:
    """Return the provenance of a run of this process, without secrets.

    Waits for `git` until `GIT_TIMEOUT_S` seconds after it was asked.

    Args:
        git: the state of the program's repository.
        config: settings by name, plain values; those in nested dicts get names with dots.
        seeds: seeds of random number generators by name.
        data_hashes: hashes of data sets by name.
        num_threads: threads with which PyTorch computes.
        accelerators: names of the GPUs that PyTorch uses.
    """
    git.wait(GIT_TIMEOUT_S)
    system = os.uname()
    return Provenance(
        python_version=platform.python_version(),
        contract_version=CONTRACT_VERSION,
        platform=_text(f"{system.sysname} {system.release} {system.machine}"),
        processor=_processor(),
        num_cpus=_num_cpus(),
        num_threads=num_threads,
        accelerators=tuple(map(_text, accelerators))[:64],
        host_name=_text(socket.gethostname()) or None,
        command=_command(sys.orig_argv),
        git_commit=git.commit,
        is_git_dirty=git.is_dirty,
        seeds=_entries(seeds, _MAX_SEEDS),
        data_hashes=_entries(data_hashes, _MAX_HASHES),
        config=_config(config),
    )


def check_hashes(data_hashes: object) -> Mapping[str, str]:
    """Return the hashes of data sets by name; an empty mapping if `data_hashes` is None.

    Raises:
        UsageError: they are something else.
    """
    if data_hashes is None:
        return {}
    if not isinstance(data_hashes, Mapping):
        raise UsageError(
            f'data_hashes must be a dict of texts, got {describe(data_hashes)}; write {{"train": sha256}}'
        )
    for name, value in data_hashes.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise UsageError(
                f"data_hashes must hold texts by name, got {describe(name)}: {describe(value)}; pass the hexadecimal text"
            )
    return data_hashes


def _command(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words of the command line, as many as there is room for, without secrets."""
    # Shortened twice: a whole script may be in one word, and no secret may escape by being cut.
    shown = (_text(word, 8 * _MAX_WORD) for word in words)
    kept: list[str] = []
    num_bytes = 0
    for word in command_without_secrets(shown):
        word = shorten(word, _MAX_WORD)
        num_bytes += _num_bytes(word)
        if num_bytes > _MAX_COMMAND_BYTES or len(kept) == _MAX_WORDS:
            break
        kept.append(word)
    return tuple(kept)


def _config(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings as texts by name, as many as there is room for, without secrets."""
    flat: dict[str, str] = {}
    _flatten(config, "", flat)
    kept: dict[str, str] = {}
    num_bytes = 0
    for name, value in config_without_secrets(flat).items():
        name, value = _text(name), shorten(value, _MAX_WORD)
        num_bytes += _num_bytes(name) + _num_bytes(value)
        if num_bytes > _MAX_CONFIG_BYTES or len(kept) == _MAX_CONFIG_ENTRIES:
            break
        kept[name] = value
    return kept


def _flatten(config: Mapping[str, Any], prefix: str, flat: dict[str, str]) -> None:
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            _flatten(value, f"{name}.", flat)
        elif isinstance(value, str):
            flat[name] = _text(value, 8 * _MAX_WORD)
        else:
            flat[name] = _text(msgspec.json.encode(value, enc_hook=str).decode(), 8 * _MAX_WORD)


def _entries(values: Mapping[str, object], most: int) -> dict[str, str]:
    return {_text(name): _text(str(value)) for name, value in list(values.items())[:most]}


def _processor() -> str | None:
    """Return the name of the processor; `platform.processor` would start a program."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return _text(next(names, "")) or None


def _num_cpus() -> int | None:
    """Return how many cores the process may use, as in a container."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()


def _text(text: str, most: int = _MAX_NAME) -> str:
    return shorten(encodable(text), most)


def _num_bytes(text: str) -> int:
    return len(msgspec.json.encode(text)) + 2
