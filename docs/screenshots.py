"""Takes the pictures of Esper's runs in other tools that the documentation shows.

make test-sinks                             installs the tools, each in an environment of its own
python docs/screenshots.py docs/_static     trains a run, ships it to each tool, and takes the pictures; a minute

Needs chromium for every picture, and tmux for that of W&B's terminal page. TensorBoard's pictures are those of its own web page
in a headless browser; the others show what W&B's terminal page and an OpenTelemetry collector print.
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[1]
TAGS = "completed/(val_accuracy|num_params|host_grad_norm)|seeds/r0c1/alpha|r0c1/to_stage|governor_panic/loss"
LEET_SIZE = (150, 32)
_START_TIMEOUT_S = 60.0
_DRAW_S = 6.0
"""Time that a program gets to draw or print everything, after it has begun."""


class Tools:
    """The environments of the sinks, in which Esper's source files and the tools can be used."""

    def __init__(self, folder: Path) -> None:
        """Use the environments in `folder`."""
        self._folder = folder

    def program(self, sink: str, name: str) -> str:
        """Return the path of a program."""
        return str(self._folder / sink / "bin" / name)

    def ship(self, run: Path, sink: str, argument: str = "") -> None:
        """Ship the run to a sink."""
        command = [self.program(sink, "python"), "-m", "esper", "ship", str(run), "--to"]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "no_proxy": "*"}
        subprocess.run([*command, sink + argument], check=True, env=environment)


def train(folder: Path) -> Path:
    """Train a run with a fault that the governor repairs, and return its folder."""
    options = ["--run-dir", str(folder), "--no-baseline", "--inject-fault", "nan@12"]
    command = [sys.executable, "-m", "esper", "train", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (run,) = (path.parent for path in folder.glob("*/log"))
    return run


def photograph(url: str, path: Path, *, width: int, height: int) -> None:
    """Take a picture of a web page once its scripts have nothing more to do."""
    command = [
        "chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--enable-unsafe-swiftshader",
        "--virtual-time-budget=60000", f"--window-size={width},{height}", f"--screenshot={path}", url,
    ]  # fmt: skip
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def photograph_terminal(text: str, path: Path, *, title: str, columns: int, width: int) -> None:
    """Take a picture of what a program has printed into a terminal."""
    from rich.console import Console
    from rich.text import Text

    with open(os.devnull, "w") as nowhere:
        console = Console(
            record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(Text.from_ansi(text))
    # Without the fonts that rich names, which a browser would fetch.
    svg = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
    drawn_width, drawn_height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    height = round(drawn_height * width / drawn_width)
    page = path.with_suffix(".html")
    page.write_text(f'<body style="margin:0">{svg}</body>', encoding="utf-8")
    try:
        photograph(page.resolve().as_uri(), path, width=width, height=height)
    finally:
        page.unlink()


@contextmanager
def running(command: list[str], port: int, output: Path) -> Iterator[None]:
    """Run a server in the folder of `output` until the block ends; the block begins once it listens.

    Raises:
        TimeoutError: it does not.
    """
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, start_new_session=True, cwd=output.parent
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise TimeoutError(f"{command[0]} must listen on port {port}: {output.read_text()}")
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def show_tensorboard(tools: Tools, run: Path, folder: Path) -> None:
    """Take pictures of TensorBoard's curves and of its page of hyperparameters."""
    tools.ship(run, "tensorboard")
    port = free_port()
    python = tools.program("tensorboard", "python")
    command = [python, "-m", "tensorboard.main", "--logdir", "runs", "--port", str(port)]
    with running([*command, "--load_fast=false"], port, run.parents[1] / "tensorboard.txt"):
        time.sleep(_DRAW_S)
        url = f"http://127.0.0.1:{port}/#scalars&_smoothingWeight=0&tagFilter={quote(TAGS)}"
        photograph(url, folder / "tensorboard-scalars.png", width=1100, height=970)
        url = f"http://127.0.0.1:{port}/#hparams"
        photograph(url, folder / "tensorboard-hparams.png", width=1100, height=380)


def show_wandb(tools: Tools, run: Path, folder: Path) -> None:
    """Take a picture of W&B's terminal page."""
    tools.ship(run, "wandb")
    (offline,) = (run / "wandb").glob("offline-run-*")
    program = shlex.join([tools.program("wandb", "wandb"), "leet", "run", str(offline)])
    columns, lines = LEET_SIZE
    tmux = ["tmux", "-L", f"screenshots-{os.getpid()}"]
    size = ["-x", str(columns), "-y", str(lines)]
    subprocess.run([*tmux, "new-session", "-d", *size, program], check=True)
    try:
        time.sleep(_DRAW_S)
        screen = subprocess.check_output([*tmux, "capture-pane", "-p", "-e"], text=True)
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
    title = "wandb leet run RUN/wandb/offline-run-*"
    photograph_terminal(screen, folder / "wandb-leet.png", title=title, columns=columns, width=1100)


def show_otlp(tools: Tools, run: Path, folder: Path) -> None:
    """Take a picture of what a collector prints about a seed's life."""
    port = free_port()
    (package,) = Path(tools.program("otlp", "")).parent.glob("lib/*/site-packages/rotel")
    command = [
        str(package / "rotel-agent"), "start", "--exporter", "blackhole",
        "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}",
        "--debug-log", "traces", "--debug-log-verbosity", "detailed", "--pid-file", str(run / "pid"),
    ]  # fmt: skip
    output = run.parents[1] / "collector.txt"
    with running(command, port, output):
        tools.ship(run, "otlp", f":http://127.0.0.1:{port}")
        time.sleep(_DRAW_S)
    printed = output.read_text(encoding="utf-8")
    head = printed[printed.index("Resource attributes:") : printed.index("ScopeSpans #0")]
    spans = re.split(r"(?=^Span #)", printed, flags=re.MULTILINE)
    seed = next(one for one in spans if re.search(r"Name +: seed$", one, re.MULTILINE))
    attributes, _, events = seed.partition("Events:\n")
    stages = [line for line in events.splitlines() if "-> Name:" in line or "-> Timestamp:" in line]
    shown = f"{head}{attributes}Events:\n" + "\n".join(stages)
    title = "rotel start --debug-log traces"
    photograph_terminal(shown, folder / "otlp-collector.png", title=title, columns=72, width=640)


def main() -> None:
    """Train, ship, and take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the pictures, such as docs/_static")
    parser.add_argument("--run", type=Path, help="a finished run to show, instead of a new one")
    parser.add_argument("--envs", type=Path, default=ROOT / "build" / "sink-envs")
    options = parser.parse_args()
    for program in ("chromium", "tmux"):
        if shutil.which(program) is None:
            parser.error(f"{program} must be installed, but it is missing")
    if not options.envs.is_dir():
        parser.error(f"{options.envs} must hold the tools; run: make test-sinks")
    tools = Tools(options.envs.absolute())
    with tempfile.TemporaryDirectory() as name:
        # With a plain name, which the pictures show.
        run = Path(name) / "runs" / "digits"
        shutil.copytree(options.run or train(Path(name) / "trained"), run)
        for made in ("ship", "tensorboard", "wandb"):
            shutil.rmtree(run / made, ignore_errors=True)
        for show in (show_tensorboard, show_wandb, show_otlp):
            show(tools, run, options.folder)


if __name__ == "__main__":
    main()
