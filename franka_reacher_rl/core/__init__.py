"""Pure Python with NumPy and PyTorch: the task, the algorithm and the robot. Never imports ROS."""

import os

# PyTorch's OpenMP (GNU's) reads this when it is loaded. Left alone its threads spin for milliseconds as they wait for
# each other; where other processes want the same cores, an update then takes ten times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
