"""A process that uses the processor as an observer of the graph does: `python -m franka_reacher_rl.bench.burner`.

`bench cycle --observers` compares observers with it.
"""

from __future__ import annotations

import importlib
import sys
import time
from contextlib import suppress

_IMPORTS = ("rclpy", "ros2cli.cli", "rosidl_runtime_py.utilities")  # an observer imports these, which takes 0.3 s
_SLICE = 0.01  # s, of work and of sleep


def burn(cpu_seconds: float, seconds: float) -> None:
    """Use processor time as an observer does: at once for the imports, the rest evenly until interrupted.

    Args:
        cpu_seconds: Processor time to use, in s, imports included.
        seconds: Time over which to use it, in s.
    """
    began = time.monotonic()
    for name in _IMPORTS:
        importlib.import_module(name)
    rest = max(0.0, cpu_seconds - time.process_time())
    used = cpu_seconds - rest
    while True:
        share = min(1.0, (time.monotonic() - began) / seconds)
        until = min(used + rest * share, time.process_time() + _SLICE)
        while time.process_time() < until:
            pass
        time.sleep(_SLICE)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        burn(float(sys.argv[1]), float(sys.argv[2]))
