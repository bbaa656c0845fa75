"""Two hosts on one computer: network namespaces with host names and shared memory of their own, joined by a link."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from graphs import ROOT
from processes import Session

HOSTS = {"arm": "10.63.0.1", "gpu": "10.63.0.2"}
_IN_HOST = 'mount -t tmpfs none /dev/shm && hostname "$0" && exec "$@"'


def missing() -> str:
    """Why two hosts cannot be made here; empty: they can."""
    if os.geteuid():
        return "network namespaces need root"
    for program in ("ip", "tc", "unshare", "setpriv"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    made = subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"namespaces are not permitted here: {made.stderr.strip()}"
    return "" if Path("/dev/net/tun").exists() else "there is no /dev/net/tun"


class TwoHosts:
    """The hosts `arm` and `gpu`, joined by a cable of 1 Gbit/s or by a link with delay, loss and cuts."""

    def __init__(self, delay: float | None = None, loss: float = 0.0) -> None:
        """Create the namespaces.

        Args:
            delay: Of each packet, one way, s; None: a cable of 1 Gbit/s.
            loss: Fraction of packets that are lost.
        """
        self._spaces = {host: f"{host}{os.getpid()}" for host in HOSTS}
        self._link: subprocess.Popen[str] | None = None
        self._launches: list[HostLaunch] = []
        for space in self._spaces.values():
            _ip("netns", "add", space)
        if delay is None:
            _ip("link", "add", self._spaces["arm"], "type", "veth", "peer", "name", self._spaces["gpu"])
        else:
            self._link = _start_link(list(self._spaces.values()), delay, loss)
        for host, address in HOSTS.items():
            device = self._spaces[host]  # named as the namespace
            _ip("link", "set", device, "netns", self._spaces[host])
            self.run(host, "ip", "address", "add", f"{address}/24", "dev", device)
            self.run(host, "ip", "link", "set", device, "txqueuelen", "10000", "up")
            self.run(host, "ip", "link", "set", "lo", "up")
            self.run(host, "ip", "route", "add", "224.0.0.0/4", "dev", device)
            if delay is None:
                shape = ("rate", "1gbit", "burst", "128kb", "latency", "50ms")
                self.run(host, "tc", "qdisc", "add", "dev", device, "root", "tbf", *shape)

    def run(self, host: str, *command: str) -> str:
        """Run a command in a host's network and return its output."""
        return _ip("netns", "exec", self._spaces[host], *command)

    def traffic(self, host: str) -> tuple[int, int]:
        """Return the bytes that a host has received and sent over the link."""
        for line in self.run(host, "cat", "/proc/net/dev").splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == self._spaces[host]:
                values = numbers.split()
                return int(values[0]), int(values[8])
        raise AssertionError("the host has no link")

    def launch(self, host: str, file: str, **arguments: str) -> HostLaunch:
        """Start one of the package's launch files on a host."""
        words = ["setpriv", "--pdeathsig", "TERM", "ros2", "launch", str(ROOT / "launch" / f"{file}.launch.py")]
        words += [f"{name}:={value}" for name, value in arguments.items()]
        inside = ["unshare", "--uts", "--mount", "--propagation", "private", "sh", "-c", _IN_HOST, host, *words]
        self._launches.append(HostLaunch(["ip", "netns", "exec", self._spaces[host], *inside]))
        return self._launches[-1]

    def cut(self) -> None:
        """Interrupt the link."""
        self._tell("cut")

    def join(self) -> None:
        """End the interruption."""
        self._tell("join")

    def _tell(self, line: str) -> None:
        assert self._link is not None and self._link.stdin is not None, "a cable cannot be cut"
        self._link.stdin.write(line + "\n")
        self._link.stdin.flush()

    def close(self) -> None:
        """End everything."""
        for launch in self._launches:
            launch.end()
        if self._link is not None:
            self._link.kill()
            self._link.wait()
        for space in self._spaces.values():
            subprocess.run(["ip", "netns", "delete", space], check=False)


class HostLaunch(Session):
    """A launch on a host."""

    def __init__(self, command: list[str]) -> None:
        changes = {
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
            "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        }
        super().__init__(command, stdin=subprocess.DEVNULL, env=_without_choices(os.environ) | changes)

    def kill(self, node: str = "") -> None:
        """Kill a node, or the launch with all its nodes."""
        for pid, words in self.commands().items():
            if not node or any(word.endswith(f"/{node}") for word in words):
                os.kill(pid, signal.SIGKILL)
        if not node:
            self.process.wait()

    def end(self) -> None:
        """End whatever is left."""
        for pid in self.commands():
            os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _without_choices(variables: Mapping[str, str]) -> dict[str, str]:
    chosen = ("ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS")
    return {name: value for name, value in variables.items() if name not in chosen}


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


def _start_link(devices: list[str], delay: float, loss: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("tap_link.py")), *devices]
    command += ["--delay", str(delay), "--loss", str(loss)]
    link = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert link.stdout is not None and link.stdout.readline() == "ready\n"
    return link
