"""Real-time reinforcement learning on a velocity-controlled arm, wired synchronously or asynchronously."""

import os
from pkgutil import extend_path

# Run from the source tree, the messages that `colcon build` generated still join this package.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"

# PyTorch's OpenMP (GNU's) reads this when it is loaded. Left alone its threads spin for milliseconds as they wait for
# each other; where other processes want the same cores, an update then takes ten times as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
