"""Removes secrets from command lines and configurations before they are written down.

Nobody can tell every secret from other text. This removes values whose names look like those of keys, tokens and passwords,
credentials and secret parameters in URLs, and texts of the shapes that well-known services give their keys. It removes
rather too much than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

REMOVED = "***"
"""The text in place of a secret."""

_ALWAYS = frozenset(
    [
        "password",
        "passwords",
        "passwd",
        "passphrase",
        "pwd",
        "pass",
        "secret",
        "secrets",
        "credential",
        "credentials",
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "creds",
        "jwt",
        "pat",
        "apikey",
        "apikeys",
        "apitoken",
        "accesskey",
        "accesstoken",
        "authtoken",
        "privatekey",
        "secretkey",
    ]
)
_UNLESS_COUNTED = frozenset(("key", "keys", "token", "tokens"))
"""Words of secrets that also name plain things: `--max-tokens 512`, `--num-keys 8`, `use_keys=true`."""
_PLAIN = re.compile(r"[+-]?\d{1,7}(\.\d*)?|true|false|none|null|", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_CREDENTIALS = re.compile(r"(?<=://)[^/\s?#'\"]*@")
_SHAPES = re.compile(
    r"\b(?:sk|pk|rk)[-_][\w-]{16,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}|\bhf_\w{16,}"
    r"|\bxox[abeoprs]-[\w-]{10,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bya29\.[\w-]{10,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?|\bnpm_\w{30,}|\bpypi-[\w-]{16,}"
)
# What follows the name of the header, to the end of its quotes or its line: a scheme and a credential, or several cookies.
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)([\"']?\s{0,8}:\s{0,8})"
    r"(?:\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\r\n'\"]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{6,}")
_ASSIGNED = re.compile(
    # A name, perhaps in quotes, then `=` or `:`, but not that of `://`.
    r"(?P<name>[A-Za-z_][\w.-]{0,127})[\"']?\]?\s{0,8}(?:=|:(?!//))\s{0,8}"
)
# A quote may be missing where a text was cut.
_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s\"'&;,)}\]]+")
_FLAG = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*)")


def is_secret(name: str, value: str) -> bool:
    """Return whether `name` looks like that of a key, token or password, and `value` like one."""
    words = {word.lower() for word in _WORD.findall(name)}
    joined = "".join(_WORD.findall(name)).lower()
    if words & _ALWAYS or joined in _ALWAYS:
        return True
    return bool(words & _UNLESS_COUNTED) and _PLAIN.fullmatch(value) is None


def without_secrets(text: str) -> str:
    """Return `text` with the secrets in it replaced by `***`: in assignments, URLs, headers, and keys of known shapes."""
    text = _CREDENTIALS.sub(f"{REMOVED}@", text)
    text = _HEADER.sub(rf"\1\2{REMOVED}", text)
    text = _BEARER.sub(rf"\1\2{REMOVED}", text)
    return _SHAPES.sub(REMOVED, _without_assigned(text))


def command_without_secrets(words: Iterable[str]) -> list[str]:
    """Return the words of a command line without secrets; the word after `--api-key` is one too."""
    kept: list[str] = []
    flag = ""
    for word in words:
        if flag and is_secret(flag, word) and not word.startswith("--"):
            kept.append(REMOVED)
            flag = ""
            continue
        match = _FLAG.fullmatch(word)
        flag = match["name"] if match else ""
        kept.append(without_secrets(word))
    return kept


def config_without_secrets(config: Mapping[str, str]) -> dict[str, str]:
    """Return the values of `config`, by name, without secrets."""
    return {
        name: REMOVED if is_secret(name, value) else without_secrets(value)
        for name, value in config.items()
    }


def _without_assigned(text: str) -> str:
    """Remove the values that are assigned to secret names; a value may be an assignment itself: `--env=API_KEY=...`."""
    parts, start = [], 0
    while assigned := _ASSIGNED.search(text, start):
        parts.append(text[start : assigned.end()])
        start = assigned.end()
        value = _VALUE.match(text, start)
        if value is not None and is_secret(assigned["name"], value[0].strip("\"'")):
            quote = value[0][0] if value[0][0] in "\"'" else ""
            parts.append(f"{quote}{REMOVED}{quote}")
            start = value.end()
    return "".join([*parts, text[start:]])
