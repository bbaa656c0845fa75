"""`./reacher watch` in a terminal of its own, and where its output is no terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("rclpy")

import rclpy
import rclpy.node
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from franka_reacher_rl.cli import main
from franka_reacher_rl.ros import qos

ALTERNATE, NORMAL = b"\x1b[?1049h", b"\x1b[?1049l"  # the screens of a terminal


@pytest.fixture
def camera() -> Iterator[Callable[[], None]]:
    """Publishes the status of a camera node each time that it is called."""
    context = rclpy.Context()
    context.init()
    node = rclpy.node.Node("camera", context=context, use_global_arguments=False)
    publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.EVENT)
    status = DiagnosticStatus(name="camera: frames", level=DiagnosticStatus.OK, message="60.0 frames per second")
    yield lambda: publisher.publish(DiagnosticArray(status=[status]))
    node.destroy_node()
    context.try_shutdown()


class Terminal:
    """`watch` in a pseudo terminal."""

    def __init__(self) -> None:
        self._side, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 30, 120, 0, 0))
        command = [sys.executable, "-m", "franka_reacher_rl.cli", "watch"]
        environment = {**os.environ, "TERM": "xterm"}
        self.process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment)
        os.close(inner)
        self.shown = b""

    def until(self, text: bytes, action: Callable[[], None] = lambda: None) -> None:
        """Reads until a text has been shown, and repeats an action meanwhile."""
        deadline = time.monotonic() + 60.0
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            action()
            if select.select([self._side], [], [], 0.1)[0]:
                self.shown += os.read(self._side, 1 << 16)

    def close(self) -> None:
        """Ends the process if it lives."""
        self.process.kill()
        self.process.wait()
        os.close(self._side)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_graph_is_shown_until_a_signal(terminal: Terminal, number: int, camera: Callable[[], None]) -> None:
    terminal.until(b"60.0 frames per second", camera)
    assert ALTERNATE in terminal.shown and NORMAL not in terminal.shown
    terminal.process.send_signal(number)
    terminal.until(NORMAL)
    assert terminal.process.wait(30.0) == 0
    assert b"Traceback" not in terminal.shown and b"interrupted" not in terminal.shown


def test_without_a_graph_it_waits_for_one(terminal: Terminal) -> None:
    terminal.until(b"no node of a graph is heard")
    assert terminal.process.poll() is None


def test_nothing_is_heard_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--once", "0.1", "--namespace", "/left/"]) == 2
    assert "no node of a graph is heard in left; check ROS_DOMAIN_ID and --namespace" in capfd.readouterr().err


def test_a_namespace_that_is_not_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--namespace", "a b"]) == 2
    error = capsys.readouterr().err
    assert "--namespace a b is not allowed: Invalid namespace" in error and error.count("\n") == 1
