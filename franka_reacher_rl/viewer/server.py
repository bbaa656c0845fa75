"""The process that serves rerun's web viewer and holds what is shown, within a limit of memory."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.parse
from contextlib import suppress
from pathlib import Path

import rerun as rr
import rerun_cli

from franka_reacher_rl.viewer.page import DATA_PORT, PAGE_PORT

MEMORY = "300MB"  # of the server; the oldest data are dropped
_HOST = "127.0.0.1"
_START, _FLUSH = 20.0, 1.0  # s
_NICE = 10
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None)  # loaded here: a forked child should load nothing


class Server:
    """`rerun --serve-web`, bound to this computer. It ends with the process that has started it, even a killed one."""

    def __init__(self, page_port: int = PAGE_PORT, data_port: int = DATA_PORT, memory: str = MEMORY) -> None:
        """Start it, and wait until it listens.

        Raises:
            ValueError: A port is in use or not allowed.
            OSError: It does not start.
        """
        self._data = f"rerun+http://{_HOST}:{data_port}/proxy"
        self.url = f"http://{_HOST}:{page_port}/?url={urllib.parse.quote(self._data, safe='')}"
        for name, port in (("page", page_port), ("data", data_port)):
            if not 1 <= port <= 65535:
                raise ValueError(f"{name} port {port} is not allowed: give 1 to 65535")
            if _listens(port):
                raise ValueError(
                    f"{name} port {port} is in use, perhaps by another viewer: give --{name}-port N, or in a launch "
                    f"the viewer's parameter {name}_port (params_file)"
                )
        if page_port == data_port:
            raise ValueError(f"port {page_port} cannot serve both the page and the data: give two ports")
        command = [_program(), "--serve-web", "--bind", _HOST, "--port", str(data_port)]
        command += ["--web-viewer-port", str(page_port)]
        command += ["--server-memory-limit", memory]
        # Rerun sends anonymous usage data unless told not to.
        variables = os.environ | {"RERUN_ANALYTICS": "off", "RUST_LOG": "error", "BROWSER": "true"}
        self._process = subprocess.Popen(
            command,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_prepare,
        )
        self._recordings: list[rr.RecordingStream] = []
        deadline = time.monotonic() + _START
        while not (_listens(page_port) and _listens(data_port)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise OSError(f"the viewer's server has not started within {_START:g} s: try {' '.join(command)}")
            time.sleep(0.05)

    def recording(self, name: str) -> rr.RecordingStream:
        """Return a new recording that the page shows."""
        recording = rr.RecordingStream(name)
        recording.connect_grpc(self._data)
        self._recordings.append(recording)
        return recording

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Send what is left to the page, and end the process."""
        for recording in self._recordings if self.alive() else ():
            with suppress(RuntimeError, ValueError):  # not within the time
                recording.flush(timeout_sec=_FLUSH)
            recording.disconnect()
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _program() -> str:
    """Return the path of rerun's program. The command `rerun` is a script that starts it and does not pass signals."""
    return os.environ.get("RERUN_CLI_PATH") or str(Path(rerun_cli.__file__).with_name("rerun"))


def _prepare() -> None:
    """Prepare the server's process, which calls this before it starts the program."""
    os.nice(_NICE)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((_HOST, port)) == 0
