"""Opens a page in a headless Chromium, without a network, and returns its content and what it complained about.

skip_without_browser()
content, complaints = open_page(path)
"""

import os
import re
import shutil
import subprocess

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_CONSOLE = re.compile(r"CONSOLE[:(]\d+\)?\] (.*)")
_TIMEOUT_S = 300


def find_browser():
    """Return the path of a Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def skip_without_browser():
    """Skip the test where there is no Chromium."""
    if find_browser() is None:
        pytest.skip("there is no Chromium on this machine, in which the page would be opened")


def open_page(path, profile, *, wait_ms=0):
    """Open an HTML file and return its content after `wait_ms` of the page's own time, and the lines of the console.

    Violations of a content security policy are among those lines.
    """
    command = [
        find_browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={profile}",
        *([f"--virtual-time-budget={wait_ms}"] if wait_ms else []),
        "--dump-dom",
        path.as_uri(),
    ]
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_TIMEOUT_S, env=environment, check=True
    )
    return done.stdout, _CONSOLE.findall(done.stderr)
