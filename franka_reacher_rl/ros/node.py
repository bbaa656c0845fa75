"""The base class of the nodes, and how a node starts, spins and ends."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import rclpy
import rclpy.node
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription

from franka_reacher_rl.ros.run.identity import Refusals, RunIdentity
from franka_reacher_rl.ros.spin.executor import Executor
from franka_reacher_rl.ros.spin.exit_deadline import exit_within
from franka_reacher_rl.ros.spin.timers import Timer, Timers

EXIT_FAILURE = 1
EXIT_BAD_SETTINGS = 2
EXIT_CANNOT_START = 3
# Environment variables that the launch files set.
END_WITH_PARENT = "REACHER_END_WITH_PARENT"
REALTIME_PRIORITY = "REACHER_REALTIME_PRIORITY"  # SCHED_FIFO priority; 0: ordinary scheduling
TRACEBACK = "REACHER_TRACEBACK"  # environment variable: print tracebacks
_TEARDOWN = 5.0  # s that the middleware may take to end
_WATCH_PERIOD = 0.5  # s, between counts of a publisher's subscribers
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# Level (DiagnosticStatus.OK, WARN or ERROR), message and values.
Diagnosis = tuple[bytes, str, Mapping[str, object]]
_REQUEST_ERRORS = (ValueError, TypeError, AssertionError, ParameterException)
RUN_ID = "run_id"  # key of a status's value


class Node(rclpy.node.Node):
    """A node that can end itself, cleans up before it ends and publishes its health on /diagnostics.

    A message for which the callback of a subscription raises ValueError is refused: it is counted in `refusals` and
    named in the log and in the diagnostics. So is a request for which the callback of a service raises.

    Attributes:
        task: What `diagnose` checks. The status is named `<node>: <task>`, as diagnostic_updater names it.
        hardware_id: The device that the status is about; by default this computer.
        run: The run that the node belongs to.
        refusals: What the node has refused.
        steady_timers: Of the node, which the process runs.
        polled: Its subscriptions that are read when the node wants to.
    """

    drain_seconds = 0.0  # s; how long a node that must not lose messages still processes them before it ends
    task = "state"

    def __init__(self, name: str, **options: Any) -> None:
        self.refusals = Refusals(lambda text: self.get_logger().warning(text))
        self.polled: list[Subscription] = []
        super().__init__(name, **options)
        if self.get_parameter("use_sim_time").value:
            raise ValueError("use_sim_time = true is not allowed: the node runs in real time")
        self.add_on_set_parameters_callback(_refuse_simulated_time)
        self.exit_code: int | None = None
        self.hardware_id = socket.gethostname()
        self.run = RunIdentity(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.steady_timers = Timers()
        self.steady_timer(1.0, self._publish_diagnostics)

    def steady_timer(self, period: float, callback: Callable[[], None]) -> Timer:
        """Create a timer on the steady clock, which a step of the wall clock does not disturb.

        Args:
            period: s.
            callback: Called once per period.
        """
        return self.steady_timers.add(Timer(callback, round(1e9 * period)))

    def alarm(self, callback: Callable[[], None]) -> Timer:
        """Create a timer that calls once each time that its `due` is set."""
        return self.steady_timers.add(Timer(callback))

    def create_subscription(
        self, msg_type: type, topic: str, callback: Callable[..., None], qos_profile: QoSProfile | int, **options: Any
    ) -> Subscription:
        """Create a subscription whose callback may refuse a message by raising ValueError."""

        @functools.wraps(callback)  # rclpy looks at the signature to decide what to pass
        def take(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except ValueError as error:
                self.refusals.add(f"{msg_type.__name__} on {topic}", error)

        return super().create_subscription(msg_type, topic, take, qos_profile, **options)

    def poll_subscription(
        self, msg_type: type, topic: str, callback: Callable[..., None], qos_profile: QoSProfile, **options: Any
    ) -> Callable[[], None]:
        """Create a subscription that is read when the node wants to, which saves waking up for every message.

        Args:
            msg_type: Type of the messages.
            topic: Their topic.
            callback: As `create_subscription` takes it.
            qos_profile: Its depth is the number of messages that wait to be read; the newest replace older ones.
            options: As `create_subscription` takes them; with `message_info`, the callback takes the information on
                a message as its second argument.

        Returns:
            A function that calls back with each message that has arrived since it was last called, oldest first.
        """
        taken = 1 + options.pop("message_info", False)
        subscription = self.create_subscription(msg_type, topic, callback, qos_profile, **options)
        self._subscriptions.remove(subscription)  # executors look here; rclpy has no other way
        self.polled.append(subscription)

        def read() -> None:
            with subscription.handle:
                while (found := subscription.handle.take_message(msg_type, subscription.raw)) is not None:
                    subscription.callback(*found[:taken])

        return read

    def destroy_node(self) -> None:
        """Destroy the node with all that it has made."""
        self.steady_timers.clear()
        while self.polled:
            self.polled.pop().destroy()
        super().destroy_node()

    def create_service(
        self, srv_type: type, srv_name: str, callback: Callable[[Any, Any], Any], **options: Any
    ) -> Service:
        """Create a service that answers a request which its callback cannot handle with an empty response.

        rclpy's own parameter services raise errors of several types for requests that are not allowed.
        """

        def answer(request: Any, response: Any) -> Any:
            try:
                return callback(request, response)
            except _REQUEST_ERRORS as error:
                self.refusals.add(f"{srv_type.__name__} on {srv_name}", error)
                return srv_type.Response()  # type: ignore[attr-defined]

        return super().create_service(srv_type, srv_name, answer, **options)

    def subscribe_while_watched(
        self, publisher: Publisher, *inputs: tuple[type, str, Callable[[Any], None], QoSProfile], raw: bool = False
    ) -> None:
        """Keep subscriptions only while a publisher has subscribers, so that nothing is received in vain.

        Args:
            publisher: Of this node.
            inputs: Message type, topic, callback and quality of service of each subscription.
            raw: Whether the callbacks get serialised messages, which cost less where few of them are used.
        """
        made: list[Subscription] = []

        def check() -> None:
            watched = publisher.get_subscription_count() > 0
            if watched and not made:
                made.extend(self.create_subscription(*each, raw=raw) for each in inputs)
            while made and not watched:
                self.destroy_subscription(made.pop())

        self.steady_timer(_WATCH_PERIOD, check)

    def finish(self, exit_code: int = 0) -> None:
        """End the node after the current callback."""
        self.exit_code = exit_code

    def drained(self) -> bool:
        """Return whether the node may end although `drain_seconds` are not over."""
        return False

    def on_suspend(self) -> None:
        """Prepare for a pause of unknown length (SIGTSTP, Ctrl-Z); the process stops when this returns."""

    def on_stop(self) -> None:
        """Shut down: stop motion, flush files. Called once before the node ends, while it can still publish."""

    def diagnose(self) -> Diagnosis:
        """Return the node's health; called once a second."""
        return DiagnosticStatus.OK, "running", {}

    def now(self) -> float:
        """Return ROS time in seconds since the epoch."""
        return self.get_clock().now().nanoseconds * 1e-9

    def _publish_diagnostics(self) -> None:
        level, message, values = self.diagnose()
        refused = self.refusals.news()
        if refused and level == DiagnosticStatus.OK:
            level, message = DiagnosticStatus.WARN, f"{refused} refused in the last second: {self.refusals.last}"
        name = f"{self.get_fully_qualified_name()[1:]}: {self.task}"
        status = DiagnosticStatus(level=level, name=name, message=message, hardware_id=self.hardware_id)
        identity: dict[str, object] = {RUN_ID: self.run.id} if self.run.id else {}
        if self.refusals.count:
            identity |= {"refused": self.refusals.count, "last_refusal": self.refusals.last}
        status.values = [KeyValue(key=k, value=str(v)) for k, v in {**values, **identity}.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _refuse_simulated_time(parameters: list[Parameter]) -> SetParametersResult:
    simulated = any(p.name == "use_sim_time" and p.value for p in parameters)
    return SetParametersResult(successful=not simulated, reason="the node runs in real time" if simulated else "")


class _Signals:
    """Records the signals that ask the process to end (Ctrl-C, a closed terminal) or to pause (Ctrl-Z).

    rclpy's own handlers would shut the context down before a node can publish a last message.
    """

    def __init__(self) -> None:
        self.received = self.suspended = False
        for number in _ENDING:
            # nohup has a process ignore SIGHUP.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_ending)
        if signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN:
            signal.signal(signal.SIGTSTP, self._on_suspend)

    def ignore(self) -> None:
        """Ignore further signals, so that a late one does not change the exit code."""
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)

    def suspend(self, node: Node) -> None:
        """Stop the process until SIGCONT."""
        node.on_suspend()
        self.suspended = False
        os.kill(os.getpid(), signal.SIGSTOP)

    def _on_ending(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    def _on_suspend(self, number: int, frame: FrameType | None) -> None:
        self.suspended = True


def run_node(node_class: Callable[[], Node], args: list[str] | None = None) -> None:
    """Run a node until it finishes or receives a signal, then exit the process.

    Exit codes: 0 for a requested end, 1 for a failure, 2 for settings that are not allowed, 3 for a failed start.
    """
    signals = _Signals()
    if os.environ.get(END_WITH_PARENT):
        _end_with_parent()
    refused = _take_realtime_priority(int(os.environ.get(REALTIME_PRIORITY, "0")))
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    code = _run(node_class, signals, refused)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the interpreter down takes tenths of a second, and much longer on a busy computer


def _run(node_class: Callable[[], Node], signals: _Signals, refused: str) -> int:
    name = getattr(node_class, "__name__", "node")
    try:
        node = node_class()
    except ValueError as error:
        rclpy.logging.get_logger(name).fatal(f"cannot start: {error}")
        rclpy.try_shutdown()
        return EXIT_BAD_SETTINGS
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        rclpy.logging.get_logger(name).fatal(f"cannot start: {_description(error)}")
        rclpy.try_shutdown()
        return EXIT_CANNOT_START
    if refused:
        node.get_logger().debug(refused)
    executor = Executor()
    executor.add_node(node)
    code = EXIT_FAILURE
    try:
        while node.exit_code is None and not signals.received:
            executor.spin_once(timeout_sec=0.1)
            if signals.suspended and not signals.received:
                signals.suspend(node)
        _drain(executor, node)
        code = node.exit_code or 0
    except ExternalShutdownException:
        code = 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        node.get_logger().fatal(_description(error))
    finally:
        node.on_stop()
        # Everything is saved; the middleware may block.
        exit_within(_TEARDOWN, code)
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
        signals.ignore()
    return code


def _drain(executor: Executor, node: Node) -> None:
    end = time.monotonic() + node.drain_seconds
    while (left := end - time.monotonic()) > 0 and not node.drained():
        executor.spin_once(timeout_sec=left)


def _take_realtime_priority(priority: int) -> str:
    """Set SCHED_FIFO for this process and its future threads; return the reason where that is not permitted."""
    if not priority:
        return ""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"no real-time priority ({error.strerror}): allow it with an rtprio line in /etc/security/limits.conf"
    return ""


def _end_with_parent() -> None:
    """Receive SIGTERM when the parent dies, even when it is killed, so that no node outlives its launch."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGTERM)


def _description(error: BaseException) -> str:
    """Describe an error in a line, with its type and the innermost line of code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "unknown place"
    return f"{type(error).__name__}: {error} ({place}; {TRACEBACK}=1 prints the traceback)"
