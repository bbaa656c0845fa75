"""The task, the arm and the algorithm in pure Python with NumPy and PyTorch. Never imports ROS."""

import os

# PyTorch's OpenMP (GNU's) reads this when it is loaded. By default its threads spin for milliseconds while they wait
# for each other; where other processes want the same cores, an update then takes ten times as long. The learner and the
# benchmarks import this package before PyTorch.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
