"""`watch`: shows a running graph as tables in the terminal, also one that somebody else has started."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

import rclpy
import rclpy.node
from rclpy.exceptions import InvalidNamespaceException
from rclpy.validate_namespace import validate_namespace
from rich.console import Console
from rich.live import Live

from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.spin.executor import Executor
from franka_reacher_rl.watch.board import Board
from franka_reacher_rl.watch.listener import Listener

_PERIOD = 0.5  # s, between two redraws
_SIGNAL_PERIOD = 0.1  # s, between two looks for a signal
_LISTENING = 5.0  # s, where the output is no terminal


def run(options: argparse.Namespace) -> int:
    """Show the graph until Ctrl-C, or print it once; return the exit code.

    Raises:
        ValueError: The namespace is not allowed; or the tables are printed once, and nothing was heard.
    """
    namespace = _namespace(options.namespace)
    context = rclpy.Context()
    context.init()
    node = rclpy.node.Node(
        "watch",
        namespace=namespace,
        context=context,
        use_global_arguments=False,
        start_parameter_services=False,
    )
    executor = Executor(context)
    executor.add_node(node)
    board = Board(namespace)
    Listener(node, board)
    try:
        if options.once or not sys.stdout.isatty():
            _once(executor, board, options.once or _LISTENING)
        else:
            _live(executor, board)
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
    return 0


def _namespace(given: str) -> str:
    """Return a namespace without slashes around it.

    Raises:
        ValueError: It is not allowed.
    """
    namespace = given.strip("/")
    try:
        validate_namespace(f"/{namespace}")
    except InvalidNamespaceException as error:
        raise ValueError(f"--namespace {given} is not allowed: {str(error).splitlines()[0]}") from None
    return namespace


def _live(executor: Executor, board: Board) -> None:
    """Redraw the tables until Ctrl-C; a signal to end leaves the terminal as it was too."""
    ended = threading.Event()  # an exception from a handler could come in the middle of a call of rclpy
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    with Live(screen=True, auto_refresh=False) as live:
        while not ended.is_set():
            _spin(executor, _PERIOD, ended)
            live.update(board.render(steady_seconds()), refresh=True)


def _once(executor: Executor, board: Board, seconds: float) -> None:
    """Listen for a while and print what was heard.

    Raises:
        ValueError: Nothing was heard.
    """
    _spin(executor, seconds)
    if not board.nodes:
        raise ValueError(board.notice(steady_seconds()))
    Console().print(board.render(steady_seconds()))


def _spin(executor: Executor, seconds: float, ended: threading.Event | None = None) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not (ended and ended.is_set()):
        executor.spin_once(timeout_sec=min(left, _SIGNAL_PERIOD))
