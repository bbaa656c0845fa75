"""The process that serves the page."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rerun")

import psutil
from processes import Session

from franka_reacher_rl.viewer.server import Server


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_only_this_computer_can_open_the_page() -> None:
    page, data = free_ports()
    with Server(page, data) as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/", timeout=10.0) as answer:
            assert b"<html" in answer.read().lower()
        process = psutil.Process(server._process.pid)
        listening = {each.laddr for each in process.net_connections() if each.status == psutil.CONN_LISTEN}
        assert {tuple(address) for address in listening} == {("127.0.0.1", page), ("127.0.0.1", data)}
        assert server.url == f"http://127.0.0.1:{page}/?url=rerun%2Bhttp%3A%2F%2F127.0.0.1%3A{data}%2Fproxy"
        assert server.alive()
    assert not server.alive()
    with Server(page, data):
        pass  # the ports are free again


def test_a_port_in_use_is_named(taken: int) -> None:
    free, _ = free_ports()
    with pytest.raises(ValueError, match=f"^page port {taken} is in use"):
        Server(taken, free)
    with pytest.raises(ValueError, match=f"^data port {taken} is in use"):
        Server(free, taken)


@pytest.mark.parametrize(
    ("page", "data", "message"),
    [
        (0, 9876, "page port 0 is not allowed: give 1 to 65535"),
        (9090, 65536, "data port 65536 is not allowed"),
    ],
)
def test_a_port_that_cannot_be(page: int, data: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Server(page, data)


def test_page_and_data_need_two_ports() -> None:
    port, _ = free_ports()
    with pytest.raises(ValueError, match="give two ports"):
        Server(port, port)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_its_process(end: signal.Signals) -> None:
    page, data = free_ports()
    code = f"""import time
from franka_reacher_rl.viewer.server import Server
server = Server({page}, {data})
print("server", server._process.pid, flush=True)
time.sleep(100.0)"""
    root = Path(__file__).resolve().parents[2]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    session = Session([sys.executable, "-c", code], env=variables)
    session.until(lambda: re.search(r"server \d+", session.text))
    server = psutil.Process(int(session.text.split()[1]))
    assert server.exe().endswith("rerun_cli/rerun"), "a script in between would leave the server behind"
    session.process.send_signal(end)
    session.wait(10.0)
    deadline = time.monotonic() + 10.0
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server lives on"
        threading.Event().wait(0.05)
