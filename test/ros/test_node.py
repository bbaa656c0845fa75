"""A node that cannot start exits with the code of its reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from child_environment import child_environment

pytest.importorskip("rclpy")

CODE = """from franka_reacher_rl.ros.node import run_node


def broken():
    raise {error}


run_node(broken)
"""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ("ValueError('fps = 0 is not allowed')", 2, "cannot start: fps = 0 is not allowed"),
        ("OSError('no space left')", 3, "cannot start: OSError: no space left (broken.py:5;"),
        ("RuntimeError('out of memory')", 3, "cannot start: RuntimeError: out of memory (broken.py:5;"),
        ("KeyError('joint')", 3, "cannot start: KeyError: 'joint' (broken.py:5;"),
    ],
)
def test_only_a_bad_setting_is_called_one(error: str, code: int, message: str, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(CODE.format(error=error))
    variables = child_environment(tmp_path)
    variables.pop("REACHER_TRACEBACK", None)
    ended = subprocess.run([sys.executable, script], env=variables, capture_output=True, text=True, timeout=60.0)
    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
