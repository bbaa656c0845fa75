"""Packages of the operating system: a compiler, Python's headers, offscreen OpenGL."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from bootstrap.problem import Problem, say
from bootstrap.processes import run_logged, tail

_EGL_VENDORS = ("/usr/share/glvnd/egl_vendor.d", "/etc/glvnd/egl_vendor.d")
_NETWORK_TROUBLE = ("Temporary failure resolving", "Could not resolve", "Unable to fetch", "Failed to fetch")


def missing() -> dict[str, str]:
    """Return the Debian packages that are missing, each with its purpose."""
    python = f"python3.{sys.version_info.minor}"
    found: dict[str, str] = {}
    for program in ("g++", "make"):
        if shutil.which(program) is None:
            found[program] = "to build the messages"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        found[f"{python}-dev"] = "to build the messages for Python"
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        found[f"{python}-venv"] = "to make the Python environment"
    if not (_has_egl() or ctypes.util.find_library("OSMesa")):
        for package in ("libegl1", "libgl1", "libgl1-mesa-dri"):
            found[package] = "to render the simulated camera"
    return found


def _has_egl() -> bool:
    vendors = "__EGL_VENDOR_LIBRARY_FILENAMES" in os.environ or any(
        next(Path(folder).glob("*.json"), None) for folder in _EGL_VENDORS
    )
    return vendors and all(ctypes.util.find_library(name) for name in ("EGL", "GL"))


def install(log: Path) -> None:
    """Install missing packages as root; otherwise raise an error with the command that installs them.

    Args:
        log: The log file for apt's output.

    Raises:
        Problem: A package is missing and cannot be installed by this process.
    """
    needed = missing()
    if not needed:
        return
    if shutil.which("apt-get") is None:
        raise Problem(advice(needed, apt=False))
    if os.geteuid() != 0:
        raise Problem(advice(needed, apt=True))
    say(f"  installing Debian packages: {' '.join(needed)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    log.unlink(missing_ok=True)
    install_command = ["apt-get", "install", "--yes", "--no-install-recommends", *needed]
    if run_logged(["apt-get", "update"], log, env=environment) or run_logged(install_command, log, env=environment):
        raise Problem(explain_apt(log, list(needed)))
    importlib.invalidate_caches()
    still = missing()
    if still:
        raise Problem(advice(still, apt=True))


def advice(needed: dict[str, str], *, apt: bool) -> str:
    """Return a message that names what is missing and the command that installs it."""
    reasons: dict[str, list[str]] = {}
    for package, reason in needed.items():
        reasons.setdefault(reason, []).append(package)
    what = "; ".join(f"{', '.join(packages)} ({reason})" for reason, packages in reasons.items())
    if apt:
        return (
            f"The system lacks {what}. Install them, then run this command again:\n"
            f"    sudo apt-get install {' '.join(needed)}"
        )
    return (
        f"The system lacks {what} (Debian's package names). Install your system's equivalents, then run this command "
        "again."
    )


def explain_apt(log: Path, packages: Sequence[str]) -> str:
    """Return why apt-get failed, and the next step, from its log."""
    text = log.read_text(errors="replace")
    names = " ".join(packages)
    if "No space left on device" in text or "enough free space" in text:
        return f"The disk is full: there is no space for the Debian packages {names}. Free some, then run this again."
    if any(sign in text for sign in _NETWORK_TROUBLE):
        return (
            f"No network: the Debian packages {names} cannot be downloaded. Connect, then run this again (log: {log})."
        )
    if "dpkg frontend lock" in text or "Could not get lock" in text:
        return f"Another program is installing Debian packages. Run this again when it has finished (log: {log})."
    return f"apt-get could not install {names}. The last lines of {log}:\n{tail(log)}"
