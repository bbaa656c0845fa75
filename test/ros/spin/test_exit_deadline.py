"""A process that blocks in C ends in time, with the exit code that it wanted."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

BLOCKED = """
import ctypes
from franka_reacher_rl.ros.spin.exit_deadline import exit_within
exit_within(0.2, {code})
ctypes.PyDLL(None).sleep(30)  # with Python's lock held
"""


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_blocks(code: int) -> None:
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", BLOCKED.format(code=code)], timeout=20.0).returncode == code
    assert time.monotonic() - began < 10.0


def test_a_process_that_ends_before() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from franka_reacher_rl.ros.spin.exit_deadline import exit_within\nexit_within(5.0, 3)"]
    )
    assert ended.returncode == 0
