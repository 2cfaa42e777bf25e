"""Turns a line of a run log into an event, or into an error that says where, which rule and what to do."""

import json
from typing import Any, NoReturn

import msgspec

from esper._generated.channel import Payload
from esper._generated.checks import ContractError
from esper._generated.codec import decode_line, encode_line
from esper._generated.envelope import Envelope
from esper._generated.registry import VERSION
from esper.leyline.errors import LogError
from esper.leyline.text import printable
from esper.nissa.lines import Line

Record = tuple[Envelope, Payload]


class _Header(msgspec.Struct):
    """What is looked up in a line that breaks the contract."""

    v: str


def decode_record(line: Line) -> Record:
    """Return the event that a line holds.

    Raises:
        LogError: the line is not one of the contract, or of a newer one.
    """
    try:
        envelope, payload = decode_line(line.data)
    except ContractError as error:
        _refuse(line, str(error))
    if envelope.v != VERSION and _is_newer(envelope.v):
        _refuse(line, f"v must be {VERSION} or older, got {envelope.v}")
    # The decoder takes the last of two equal keys. The encoder never writes two, so only a line that it would have
    # written otherwise is searched for them.
    if encode_line(envelope, payload) != line.data:
        _refuse_repeated_keys(line)
    return envelope, payload


def _refuse(line: Line, complaint: str) -> NoReturn:
    version = _version(line)
    remedy = "remove the line to read the others"
    if version is not None and _is_newer(version):
        remedy = (
            f"it was written under contract {version} and this Esper knows {VERSION}: update it"
        )
    raise LogError(f"{line.place}: {printable(complaint)}; {remedy}") from None


def _version(line: Line) -> str | None:
    """Return the version of the contract that a line names; None when it names none."""
    try:
        return msgspec.json.decode(line.data, type=_Header).v
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _is_newer(version: str) -> bool:
    numbers = version.split(".")
    are_numbers = all(number.isdecimal() and len(number) < 10 for number in numbers)
    return are_numbers and [*map(int, numbers)] > [*map(int, VERSION.split("."))]


def _refuse_repeated_keys(line: Line) -> None:
    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if repeated := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            _refuse(
                line, f"a key must be there once, got {repeated[0]} {keys.count(repeated[0])} times"
            )
        return dict(pairs)

    json.loads(line.data, object_pairs_hook=check)
