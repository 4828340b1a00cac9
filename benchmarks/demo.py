"""How long a newcomer waits for `morsel demo`: first and second start of the full shop in a folder of its own.

One line of JSON a figure. Run by `make bench-demo`.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIRST_S, SECOND_S = 90.0, 10.0


def main() -> int:
    """Start twice, print the figures, and fail when one misses its target."""
    folder = Path(tempfile.mkdtemp(prefix="morsel-demo-"))
    try:
        good = [tell("demo_first_start", start(folder), FIRST_S), tell("demo_second_start", start(folder), SECOND_S)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(good) else 1


def tell(name: str, seconds: float, target: float) -> bool:
    """Print one figure; the baseline is the target, so a ratio below 1 is good."""
    good = seconds <= target
    figure = {"name": name, "value": round(seconds, 2), "unit": "s", "baseline": target, "ratio": round(seconds / target, 3)}
    print(json.dumps({**figure, "target": target, "ok": good}), flush=True)
    return good


def start(folder: Path) -> float:
    """Start the demo on a free port, wait until it says that it is ready, stop it; return the seconds it took."""
    # a newcomer keeps compiled modules, so the second start finds them
    apart = ("MORSEL_", "PYTHONDONTWRITEBYTECODE")
    mine = {name: value for name, value in os.environ.items() if not name.startswith(apart)}
    variables = {**mine, "PORT": str(PORT), "MORSEL_MODEL_DIR": str(folder / "models")}
    began = time.monotonic()
    with (folder / "demo.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "app.cli", "demo"], cwd=folder, env=variables, stdout=log, stderr=log)
    try:
        while not (folder / ".morsel" / "demo.json").exists():
            if process.poll() is not None or time.monotonic() - began > 600:
                raise SystemExit((folder / "demo.log").read_text())
            time.sleep(0.02)
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        print((folder / "demo.log").read_text().split("\n\n")[0], file=sys.stderr)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# the same for both starts, as a newcomer's would be: another address means other links in the catalogue
PORT = _free_port()

if __name__ == "__main__":
    sys.exit(main())
