"""Keeps a second graph with the same names from being started on this computer."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from franka_reacher_rl.core.base.paths import PACKAGE
from franka_reacher_rl.launching.two_machines import Part

_held: dict[str, socket.socket] = {}  # by name, until the launch process ends


def hold_graph(namespace: str, part: Part, domain: str = "") -> None:
    """Claim the names of a graph for this process.

    The claim is an abstract Unix socket: the system drops it when the process ends, however that happens, and two
    containers with separate networks do not meet. Graphs on other computers are noticed by the recorder.

    Args:
        namespace: Of the graph, with its slash; empty: none.
        part: The part of the graph that is started.
        domain: ROS domain; empty: that of the environment.

    Raises:
        ValueError: Another process has claimed them; the message names it.
    """
    domain = domain or os.environ.get("ROS_DOMAIN_ID") or "0"
    name = f"{PACKAGE}/{domain}{namespace}/{part.name}"
    if name in _held:
        return
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0{name}")
        claim.listen()
    except OSError:
        claim.close()
        where = f"domain {domain}" + (f" and namespace {namespace}" if namespace else "")
        raise ValueError(
            f"another graph is running in {where}: {_owner(name)}. End it, or start this one with another "
            "ROS_DOMAIN_ID or namespace:=NAME"
        ) from None
    _held[name] = claim


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
