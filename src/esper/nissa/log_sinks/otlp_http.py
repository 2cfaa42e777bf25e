"""Sends messages of OTLP over HTTP, with the settings that OpenTelemetry has for it in the environment."""

from __future__ import annotations

import gzip
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import Any, Final, final
from urllib.parse import unquote, urlsplit

from esper.leyline.errors import UsageError
from esper.leyline.text import printable
from esper.nissa.shipping.selection import WITHHELD

SIGNALS: Final = ("traces", "metrics", "logs")
_PREFIX = "OTEL_EXPORTER_OTLP"
_DEFAULT_ENDPOINT = "http://localhost:4318"
_DEFAULT_TIMEOUT_MS = 10_000
_RETRIED = (408, 429)
"""Statuses below 500 that may go away; the collector refuses the message itself with the others."""
_MAX_RETRY_AFTER_S = 5.0
"""Longest wait that a collector can ask for; the shipper waits on its own after each failure."""
_MAX_BODY = 64 * 2**10


@final
class OtlpClient:
    """Sends requests to the collector at one address.

    Attributes:
        num_rejected: spans, points and log records that the collector has rejected one by one, and will reject again.
    """

    def __init__(self, argument: str) -> None:
        """Send to the address `argument`; if it is empty, to that in `OTEL_EXPORTER_OTLP_ENDPOINT`, or to localhost.

        Raises:
            UsageError: the address or a variable cannot be used.
        """
        self.num_rejected = 0
        base = argument or os.environ.get(f"{_PREFIX}_ENDPOINT") or _DEFAULT_ENDPOINT
        self._urls: dict[str, str] = {}
        for signal in SIGNALS:
            if os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() != "none":
                own = "" if argument else os.environ.get(f"{_PREFIX}_{signal.upper()}_ENDPOINT")
                self._urls[signal] = _checked(own or f"{base.rstrip('/')}/v1/{signal}")
        self._headers = read_pairs(f"{_PREFIX}_HEADERS")
        if not all(map(str.isascii, (*self._headers, *self._headers.values()))):
            raise UsageError(f"{_PREFIX}_HEADERS must be ASCII; correct it (not shown)")
        self._timeout_s = _read_timeout_s()
        self._is_compressed = os.environ.get(f"{_PREFIX}_COMPRESSION", "").strip() == "gzip"
        certificate = os.environ.get(f"{_PREFIX}_CERTIFICATE")
        try:
            context = ssl.create_default_context(cafile=certificate or None)
        except OSError as error:
            raise UsageError(
                f"{_PREFIX}_CERTIFICATE must be a file of certificates, got {certificate} ({error})"
            ) from error
        # A redirection would carry the headers to another server.
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), _NoRedirection()
        )

    def sends(self, signal: str) -> bool:
        """Return whether messages of this kind are sent: `OTEL_LOGS_EXPORTER=none` turns logs off."""
        return signal in self._urls

    def send(self, signal: str, request: Any, response: Any) -> None:
        """Send a message and take in the answer, which says whether parts of it were rejected.

        Raises:
            UsageError: the collector refuses the message, and would refuse it again.
            OSError: the collector cannot be reached or cannot take the message now.
        """
        data = request.SerializeToString()
        headers = {"Content-Type": "application/x-protobuf", **self._headers}
        if self._is_compressed:
            data = gzip.compress(data, 1)
            headers["Content-Encoding"] = "gzip"
        url = self._urls[signal]
        message = urllib.request.Request(url, data=data, headers=headers, method="POST")
        try:
            with self._opener.open(message, timeout=self._timeout_s) as answer:
                body = answer.read(_MAX_BODY)
                is_protobuf = "protobuf" in answer.headers.get("Content-Type", "")
        except urllib.error.HTTPError as error:
            with error:
                self._raise(signal, error)
        except HTTPException as error:
            raise ConnectionError(
                f"the collector's answer was cut off ({type(error).__name__})"
            ) from None
        if is_protobuf:
            response.ParseFromString(body)
            self._count_rejected(signal, response.partial_success)

    def _raise(self, signal: str, error: urllib.error.HTTPError) -> None:
        text = error.read(_MAX_BODY).decode("utf-8", "replace")
        # A server may repeat what it was sent.
        for value in self._headers.values():
            text = text.replace(value, WITHHELD)
        said = f"{error.code} {printable(text)}".strip()
        if error.code in _RETRIED or error.code >= 500:
            wait = error.headers.get("Retry-After", "")
            if wait.isdecimal():
                time.sleep(min(float(wait), _MAX_RETRY_AFTER_S))
            raise ConnectionError(f"the collector cannot take {signal} now: {said}") from None
        hint = f"; set OTEL_{signal.upper()}_EXPORTER=none if it takes no {signal}"
        raise UsageError(
            f"the collector at {self._urls[signal]} must accept {signal}, got {said}"
            f"; check the address and {_PREFIX}_HEADERS{hint}"
        ) from None

    def _count_rejected(self, signal: str, partial: Any) -> None:
        rejected = sum(
            value for field, value in partial.ListFields() if field.name.startswith("rejected_")
        )
        if rejected and not self.num_rejected:
            reason = printable(partial.error_message)
            print(f"the collector has rejected {rejected} of the {signal}: {reason}", file=sys.stderr)  # fmt: skip
        self.num_rejected += rejected


def read_pairs(variable: str) -> dict[str, str]:
    """Return the pairs in a variable of the environment, `name=value,name=value` with percent-encoded values.

    Raises:
        UsageError: it has another form; the message does not show it.
    """
    pairs = {}
    for pair in filter(str.strip, os.environ.get(variable, "").split(",")):
        name, equals, value = pair.partition("=")
        name, value = name.strip(), unquote(value.strip())
        if not equals or not name or not value.isprintable():
            raise UsageError(f"{variable} must be name=value,name=value; correct it (not shown)")
        pairs[name] = value
    return pairs


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Leaves redirections to be reported as errors."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""
        return


def _checked(url: str) -> str:
    """Return an address; secrets in it would reach logs and lists of processes."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_more = "@" in parts.netloc or bool(parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        is_whole, has_more = False, False
    if has_more:
        raise UsageError(
            "a collector's address must have no user, password or query (it is not shown);"
            f" put secrets into {_PREFIX}_HEADERS"
        )
    if not is_whole:
        raise UsageError(
            f"a collector's address must be such as {_DEFAULT_ENDPOINT}, got {printable(url)}"
        )
    return url


def _read_timeout_s() -> float:
    text = os.environ.get(f"{_PREFIX}_TIMEOUT") or str(_DEFAULT_TIMEOUT_MS)
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{_PREFIX}_TIMEOUT must be milliseconds above 0, got {printable(text)}")
    return int(text) / 1000
