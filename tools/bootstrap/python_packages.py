"""Create the virtual environment and install packages into it with pip."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from bootstrap.problem import Problem
from bootstrap.processes import run_logged, tail

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
# With a CPU build of PyTorch; the CUDA build from PyPI needs 4 GB more.
_NEEDED_GIB = 4
_NETWORK_TROUBLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Failed to establish a new connection|Max retries exceeded|"
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable|Connection refused|"
    r"Connection broken|ConnectionResetError|ProxyError|RemoteDisconnected|Connection to \S+ timed out"
)


def requirement_files(path: Path = REQUIREMENTS / "environment.txt") -> list[Path]:
    """Return a requirements file and the files that it includes with `-r`."""
    included = re.findall(r"^-r (\S+)$", path.read_text(), re.MULTILINE)
    return [path, *(file for name in included for file in requirement_files((path.parent / name).resolve()))]


def names(path: Path) -> list[str]:
    """Return the names of the packages that a requirements file lists, without those of included files."""
    return re.findall(r"^[A-Za-z][\w-]*", path.read_text(), re.MULTILINE)


def constraints() -> Path:
    """Return the file that pins the exact versions for this Python."""
    return REQUIREMENTS / f"constraints-{sys.version_info.major}.{sys.version_info.minor}.txt"


def make_venv(folder: Path, python: Path | None = None, *options: str) -> None:
    """Create a virtual environment; what an interrupted set-up left is removed.

    Args:
        folder: Where to create it.
        python: The interpreter; None: the one that runs this script.
        options: Additional options of `python -m venv`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    check_space(folder.parent)
    log = folder.parent / "logs" / "venv.log"
    log.unlink(missing_ok=True)
    # This process may run in the environment that was just removed, so use its base interpreter.
    python = python or Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if run_logged([python, "-m", "venv", *options, folder], log, env=pip_environment(folder.parent)):
        raise Problem(f"{python} could not create a virtual environment. The last lines of {log}:\n{tail(log)}")


def check_space(folder: Path) -> None:
    """Refuse to start a download of several minutes that would fill the disk."""
    free = shutil.disk_usage(folder).free / 2**30
    if free < _NEEDED_GIB:
        raise Problem(
            f"The disk is nearly full: {free:.1f} GiB are free under {folder}, the environment needs at least "
            f"{_NEEDED_GIB} GiB (8 GiB with the CUDA build of PyTorch). Free some space, then run this command again."
        )


def pip(venv: Path, *arguments: str | Path) -> None:
    """Run a pip command that downloads packages.

    Raises:
        Problem: pip failed; the message gives the cause and the next step.
    """
    log = venv.parent / "logs" / f"pip-{arguments[0]}.log"
    log.unlink(missing_ok=True)
    (venv.parent / "tmp").mkdir(exist_ok=True)
    # Fewer retries than pip's default of five: without a network they only delay the error.
    command = [venv / "bin" / "python", "-m", "pip", *arguments[:1], "--retries", "2", *arguments[1:]]
    try:
        if run_logged(command, log, env=pip_environment(venv.parent)):
            raise Problem(explain_pip(log))
    finally:
        shutil.rmtree(venv.parent / "tmp", ignore_errors=True)


def pip_environment(folder: Path) -> dict[str, str]:
    """Return the user's environment with its pip settings, without variables that redirect an installation."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # /tmp may be a small RAM disk, too small to unpack wheels of a gigabyte.
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONNOUSERSITE="1")
    if (folder / "tmp").is_dir():
        environment["TMPDIR"] = str(folder / "tmp")
    return environment


def explain_pip(log: Path) -> str:
    """Return why pip failed, and the next step, from its log."""
    text = log.read_text(errors="replace")
    if "No space left on device" in text or "Errno 28" in text:
        return (
            "The disk is full. The Python packages need 4 GiB (8 GiB with the CUDA build of PyTorch), and as much in "
            f"pip's cache. Free some space, then run this command again (log: {log})."
        )
    # When the index lacks the version that a constraint asks for, pip reports a conflict.
    missing = re.search(r"No matching distribution found for (\S+)|The user requested \(constraint\) (\S+)", text)
    if _NETWORK_TROUBLE.search(text):
        return (
            "No network: pip cannot reach the Python package index. Connect, or set PIP_INDEX_URL or PIP_PROXY, then "
            f"run this command again (log: {log})."
        )
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (
            f"The Python package index has no {missing.group(1) or missing.group(2)} for Python {version} on this "
            f"machine. Try another Python: REACHER_PYTHON=python3.11 ./reacher setup (log: {log})."
        )
    return f"pip failed. The last lines of {log}:\n{tail(log)}"


def install_requirements(venv: Path) -> None:
    """Install all Python packages in the pinned versions."""
    pip(venv, "install", "--requirement", REQUIREMENTS / "environment.txt", "--constraint", constraints())
