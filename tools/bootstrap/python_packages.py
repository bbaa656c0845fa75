"""The virtual environment and what pip installs into it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bootstrap.problem import Problem
from bootstrap.processes import run_logged, tail

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
# With a CPU build of PyTorch; the CUDA build that PyPI serves takes 4 GB more.
_NEEDED_GIB = 4
_NETWORK_TROUBLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Failed to establish a new connection|Max retries exceeded|"
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable|Connection refused|"
    r"Connection broken|ConnectionResetError|ProxyError|RemoteDisconnected|Connection to \S+ timed out"
)


def constraints() -> Path:
    """The exact versions for this Python."""
    return REQUIREMENTS / f"constraints-{sys.version_info.major}.{sys.version_info.minor}.txt"


def make_venv(folder: Path) -> None:
    """Makes an empty virtual environment, over whatever an interrupted set-up has left."""
    shutil.rmtree(folder, ignore_errors=True)
    check_space(folder.parent)
    log = folder.parent / "logs" / "venv.log"
    log.unlink(missing_ok=True)
    # This process may run in the very environment that is made anew: the interpreter below it makes the next.
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if run_logged([python, "-m", "venv", folder], log, env=pip_environment(folder.parent)):
        raise Problem(f"No virtual environment could be made with {python}; the end of {log} says:\n{tail(log)}")


def check_space(folder: Path) -> None:
    """Refuses early what would fill the disk after minutes of downloading."""
    free = shutil.disk_usage(folder).free / 2**30
    if free < _NEEDED_GIB:
        raise Problem(
            f"The disk is nearly full: {free:.1f} GiB are free under {folder}, the environment needs at least "
            f"{_NEEDED_GIB} GiB (8 GiB with the CUDA build of PyTorch). Make room, then run this again."
        )


def pip(venv: Path, *arguments: str | Path) -> None:
    """Runs a pip command that downloads.

    Raises:
        Problem: It failed; the message says why and what to do.
    """
    log = venv.parent / "logs" / f"pip-{arguments[0]}.log"
    log.unlink(missing_ok=True)
    (venv.parent / "tmp").mkdir(exist_ok=True)
    # Fewer retries than pip's five: without a network they only delay the message.
    command = [venv / "bin" / "python", "-m", "pip", *arguments[:1], "--retries", "2", *arguments[1:]]
    try:
        if run_logged(command, log, env=pip_environment(venv.parent)):
            raise Problem(explain_pip(log))
    finally:
        shutil.rmtree(venv.parent / "tmp", ignore_errors=True)


def pip_environment(folder: Path) -> dict[str, str]:
    """The person's pip settings (mirrors, certificates, proxies), less what would install somewhere else."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # /tmp may be a small RAM disk; wheels of a gigabyte are unpacked there.
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONNOUSERSITE="1")
    if (folder / "tmp").is_dir():
        environment["TMPDIR"] = str(folder / "tmp")
    return environment


def explain_pip(log: Path) -> str:
    """Why pip failed, from its log."""
    text = log.read_text(errors="replace")
    if "No space left on device" in text or "Errno 28" in text:
        return (
            "The disk is full: no room for the Python packages. They need 4 GiB here (8 GiB with the CUDA build of "
            f"PyTorch) and as much in pip's cache. Make room, then run this again (log: {log})."
        )
    # With a constraint, pip calls it a conflict when an index lacks the version.
    missing = re.search(r"No matching distribution found for (\S+)|The user requested \(constraint\) (\S+)", text)
    if _NETWORK_TROUBLE.search(text):
        return (
            "No network: pip can't reach the Python package index. Connect (or set PIP_INDEX_URL, PIP_PROXY to reach "
            f"yours), then run this again (log: {log})."
        )
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            f"The Python package index has no {missing.group(1) or missing.group(2)} for Python {version} on this "
            f"machine. Another Python may do: REACHER_PYTHON=python3.11 ./reacher setup (log: {log})."
        )
    return f"pip failed; the end of {log} says:\n{tail(log)}"


def install_requirements(venv: Path, arguments: Sequence[str] = ()) -> None:
    """Installs all Python packages, exactly as pinned."""
    pip(venv, "install", "--requirement", REQUIREMENTS / "environment.txt", "--constraint", constraints(), *arguments)
