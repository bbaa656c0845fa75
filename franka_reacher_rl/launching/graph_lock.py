"""Keeps a second graph with the same names from being started on this computer."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path

from franka_reacher_rl.core.base.paths import PACKAGE
from franka_reacher_rl.launching.two_machines import Part
from franka_reacher_rl.ros.run.domain import ros_domain


def claim_graph(namespace: str, part: Part) -> Callable[[], None]:
    """Claim the names of a graph for this process, and return what gives them up.

    The claim is an abstract Unix socket: the system drops it when the process ends, however that happens, and two
    containers with separate networks do not meet. Graphs on other computers are noticed by the recorder.

    Args:
        namespace: Of the graph, with its slash; empty: none.
        part: The part of the graph that is started.

    Raises:
        ValueError: They are claimed already; the message names the process.
    """
    name = f"{PACKAGE}/{ros_domain()}{namespace}/{part.name}"
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0{name}")
        claim.listen()
    except OSError:
        claim.close()
        where = f"domain {ros_domain()}" + (f" and namespace {namespace}" if namespace else "")
        raise ValueError(
            f"another graph is running in {where}: {_owner(name)}. End it, or start this one with another "
            "ROS_DOMAIN_ID or namespace:=NAME"
        ) from None
    return claim.close


def _owner(name: str) -> str:
    """Describe the process that has claimed a name; the system knows it."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(f"\0{name}")
            pid = struct.unpack("iII", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
        except OSError:
            return "a process that does not answer"
    given = " ".join(word.decode(errors="replace") for word in words if b".launch.py" in word or b":=" in word)
    return f"process {pid} ({given})" if given else f"process {pid}"
