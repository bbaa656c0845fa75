"""Run long set-up commands: output goes to a log file, elapsed time to the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# s; how often the elapsed time is printed on a terminal and in a CI log.
_TERMINAL_PERIOD, _LOG_PERIOD = 1.0, 60.0


def run_logged(
    command: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> int:
    """Run a command and append its output to a log file.

    Args:
        command: Program and arguments.
        log: The log file.
        env: The command's environment variables; None: those of this process.
        cwd: The command's working directory; None: the current one.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: The user interrupted; the command and its children have been terminated.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    arguments = [str(part) for part in command]
    with log.open("a") as output:
        print(f"$ {' '.join(arguments)}", file=output, flush=True)
        # A separate process group lets an interrupt terminate compilers and downloads too. The command inherits the
        # descriptor of the set-up's lock, so that no second set-up starts while it outlives a killed set-up.
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            close_fds=False,
        )
        try:
            return _wait(process)
        except BaseException:
            _end(process)
            raise
        finally:
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr, flush=True)


def _wait(process: subprocess.Popen[bytes]) -> int:
    terminal = sys.stderr.isatty()
    start = time.monotonic()
    while True:
        try:
            return process.wait(timeout=_TERMINAL_PERIOD if terminal else _LOG_PERIOD)
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - start
            if terminal:
                print(f"\r          {seconds:.0f} s …", end="", file=sys.stderr, flush=True)
            else:
                print(f"[reacher]   {seconds:.0f} s …", file=sys.stderr, flush=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=5)
    # Kill the children that ignored the interrupt.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log file, indented."""
    return "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-lines:])
