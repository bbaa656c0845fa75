"""The base of the nodes, and how each starts, spins and ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import rclpy
import rclpy.node
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer

EXIT_FAILURE = 1
EXIT_BAD_SETTINGS = 2
END_WITH_PARENT = "REACHER_END_WITH_PARENT"  # environment variable, set by the launch files
REALTIME_PRIORITY = "REACHER_REALTIME_PRIORITY"  # likewise; 0: ordinary scheduling
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


# Level (DiagnosticStatus.OK, WARN, ERROR), a sentence, and values.
Diagnosis = tuple[bytes, str, Mapping[str, object]]


class Node(rclpy.node.Node):
    """A node that can end by itself, cleans up before it goes and reports on /diagnostics."""

    drain_seconds = 0.0  # s; a node that must miss no message takes what has come for this long before it ends

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.exit_code: int | None = None
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.steady_timer(1.0, self._publish_diagnostics)

    def steady_timer(self, period: float, callback: Callable[[], None]) -> Timer:
        """Create a timer on the steady clock, which a step of the wall clock does not disturb.

        Args:
            period: s.
            callback: Called once per period.
        """
        return self.create_timer(period, callback, clock=self._steady)

    def finish(self, exit_code: int = 0) -> None:
        """Ends the node after the current callback."""
        self.exit_code = exit_code

    def on_stop(self) -> None:
        """Called once before the node goes, while it can still publish: stop what moves, write what is unwritten."""

    def diagnose(self) -> Diagnosis:
        """The node's health, once a second."""
        return DiagnosticStatus.OK, "running", {}

    def now(self) -> float:
        """ROS time in seconds since the epoch."""
        return self.get_clock().now().nanoseconds * 1e-9

    def _publish_diagnostics(self) -> None:
        level, message, values = self.diagnose()
        status = DiagnosticStatus(level=level, name=self.get_fully_qualified_name(), message=message)
        status.values = [KeyValue(key=k, value=str(v)) for k, v in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


class _Signals:
    """Remembers that SIGINT or SIGTERM came.

    rclpy's own handlers would shut the context down before a node can publish a last message.
    """

    def __init__(self) -> None:
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def ignore(self) -> None:
        """From here on the process only exits; a late signal must not change how."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = True


def run_node(node_class: Callable[[], Node], args: list[str] | None = None) -> None:
    """Runs a node until it finishes or is asked to end, then exits the process.

    Exit codes: 0 for an asked-for end, 1 for a failure, 2 for settings that are not allowed.
    """
    signals = _Signals()
    if os.environ.get(END_WITH_PARENT):
        _end_with_parent()
    refused = _take_realtime_priority(int(os.environ.get(REALTIME_PRIORITY, "0")))
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    sys.exit(_run(node_class, signals, refused))


def _run(node_class: Callable[[], Node], signals: _Signals, refused: str) -> int:
    name = getattr(node_class, "__name__", "node")
    try:
        node = node_class()
    except (ValueError, OSError, RuntimeError) as error:
        rclpy.logging.get_logger(name).fatal(f"can't start: {error}")
        rclpy.try_shutdown()
        return EXIT_BAD_SETTINGS
    if refused:
        node.get_logger().debug(refused)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while node.exit_code is None and not signals.received:
            executor.spin_once(timeout_sec=0.1)
        _drain(executor, node.drain_seconds)
        code = node.exit_code or 0
    except ExternalShutdownException:
        code = 0
    except Exception as error:  # the one place where a node's failure becomes its exit code
        if os.environ.get("REACHER_TRACEBACK"):
            raise
        where = _innermost(error)
        node.get_logger().fatal(f"{type(error).__name__}: {error} ({where}; REACHER_TRACEBACK=1 shows more)")
        code = EXIT_FAILURE
    finally:
        node.on_stop()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
        signals.ignore()
    return code


def _drain(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def _take_realtime_priority(priority: int) -> str:
    """SCHED_FIFO for this process and the threads it will start; returns why not, where that is not permitted."""
    if not priority:
        return ""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"no real-time priority ({error.strerror}): allow it with an rtprio line in /etc/security/limits.conf"
    return ""


def _end_with_parent() -> None:
    """Has the kernel send SIGTERM when the parent dies, be it killed: no node outlives its launch."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGTERM)


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
