"""ROS 2: whether nodes of two processes find each other, how long messages take, and the shared memory of policies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from franka_reacher_rl.doctor.finding import Finding, failure, ok, warning

_TIMEOUT = 15.0  # s
_LEAST_SHARED = 64e6  # bytes: two policies of each of several runs
_ROUNDS = 200
_COMMAND = [sys.executable, "-m", "franka_reacher_rl.doctor.echo"]
_DOMAIN = "101"  # hardly used, so that no graph is disturbed


def distribution() -> Iterator[Finding]:
    """Name the distribution and the middleware."""
    if shutil.which("ros2") is None:
        yield failure("ROS 2", "there is none in this shell", "use ./reacher, or source the setup.bash of ROS 2")
        return
    chosen = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp (the default)")
    yield ok("ROS 2", f"{os.environ.get('ROS_DISTRO', 'unknown distribution')}, {chosen}")


def discovery() -> Iterator[Finding]:
    """Have two processes find each other and exchange messages, with the settings of a graph."""
    from franka_reacher_rl.launching.middleware import middleware_settings

    variables = os.environ | middleware_settings(os.environ) | {"ROS_DOMAIN_ID": _DOMAIN}
    try:
        found, median, p99 = _ask(variables)
    except subprocess.TimeoutExpired:
        remedy = "check that a firewall lets UDP pass on the loopback interface, and unset ROS_DISCOVERY_SERVER"
        yield failure("discovery", f"two processes have not found each other within {_TIMEOUT:g} s", remedy)
        return
    except RuntimeError as error:
        remedy = "source the environment in which the package was built, or build it again: ./reacher build"
        yield failure("discovery", f"a node does not start: {error}", remedy)
        return
    text = f"two processes found each other in {found:.1f} s; a message and its answer take {median:.2f} ms"
    yield ok("discovery", f"{text} (p99 {p99:.2f} ms)")


def _ask(variables: Mapping[str, str]) -> tuple[float, ...]:
    """Return how long discovery took, s, and median and 99th percentile of a round, ms.

    Raises:
        TimeoutExpired: There is no answer.
        RuntimeError: The process that asks does not start.
    """
    other = subprocess.Popen([*_COMMAND, "answer"], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asked = subprocess.run(
            [*_COMMAND, "ask", str(_ROUNDS)], env=variables, capture_output=True, text=True, timeout=_TIMEOUT
        )
    finally:
        other.kill()
        other.wait()
    if asked.returncode:
        raise RuntimeError((asked.stderr.strip().splitlines() or ["no message"])[-1])
    return tuple(float(word) for word in asked.stdout.split()[-3:])


def shared_memory() -> Iterator[Finding]:
    """Look at the shared memory by which policies travel on one computer."""
    folder = Path("/dev/shm")
    if not folder.is_dir():
        yield warning("shared memory", "there is no /dev/shm: policies are sent in messages", "mount a tmpfs there")
        return
    free = shutil.disk_usage(folder).free
    left = [path for path in folder.glob("franka_reacher_rl-*") if time.time() - path.stat().st_mtime > 3600.0]
    if free < _LEAST_SHARED:
        text = f"{free / 1e6:.0f} MB are free in {folder}"
        yield warning("shared memory", text, "start the container with --shm-size=256m or --ipc=host")
    elif left:
        yield warning("shared memory", f"{len(left)} files of runs that are gone", "the next run removes them")
    else:
        yield ok("shared memory", f"{free / 1e6:.0f} MB are free in {folder}")
