"""Two processes find each other, or the report says why not."""

from __future__ import annotations

import os
import time
from collections import namedtuple
from pathlib import Path

import pytest

from franka_reacher_rl.doctor import middleware
from franka_reacher_rl.doctor.finding import Finding, Level

Usage = namedtuple("Usage", "total used free")


def discovery(monkeypatch: pytest.MonkeyPatch, program: str, timeout: float = 15.0) -> Finding:
    """Run the check with another program in place of the nodes."""
    monkeypatch.setattr(middleware, "_TIMEOUT", timeout)
    monkeypatch.setattr(middleware, "_COMMAND", ["/bin/sh", "-c", program, "sh"])
    (found,) = middleware.discovery()
    return found


def test_two_processes_find_each_other() -> None:
    (found,) = middleware.discovery()
    assert found.level is Level.OK, found
    assert "found each other in" in found.text and "p99" in found.text


def test_no_answer_is_a_failure_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = f"if [ $1 = answer ]; then echo $$ > {tmp_path}/pid; fi; exec sleep 60"
    began = time.monotonic()
    found = discovery(monkeypatch, program, timeout=0.5)
    assert found.level is Level.FAILURE and "not found each other" in found.text and "firewall" in found.remedy
    assert time.monotonic() - began < 10.0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_node_that_does_not_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = discovery(monkeypatch, "echo 'first line' >&2; echo 'no librcl.so' >&2; exit 1")
    assert found.level is Level.FAILURE and "no librcl.so" in found.text and "./reacher build" in found.remedy


@pytest.mark.parametrize(("free", "level"), [(1e6, Level.WARNING), (1e9, Level.OK)])
def test_room_in_the_shared_memory(monkeypatch: pytest.MonkeyPatch, free: float, level: Level) -> None:
    monkeypatch.setattr(middleware.shutil, "disk_usage", lambda path: Usage(2e9, 0, free))
    monkeypatch.setattr(middleware.Path, "glob", lambda self, pattern: iter(()))
    (found,) = middleware.shared_memory()
    assert found.level is level and ("--shm-size" in found.remedy) == (level is Level.WARNING)


def test_a_shell_without_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware.shutil, "which", lambda name: None)
    (found,) = middleware.distribution()
    assert found.level is Level.FAILURE and "./reacher" in found.remedy
