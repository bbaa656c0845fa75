"""The simulation of arm, table, target and wrist camera in MuJoCo, without ROS."""

import os

_CHOICE = "MUJOCO_GL"

if _CHOICE not in os.environ:
    # mujoco would import GLFW, which starts a process to find its library. `gl.py` chooses what renders.
    os.environ[_CHOICE] = "disable"
    import mujoco  # noqa: F401

    del os.environ[_CHOICE]
