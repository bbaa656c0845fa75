"""Real-time reinforcement learning on a velocity-controlled arm, wired synchronously or asynchronously."""

from pkgutil import extend_path

# Run from the source tree, the messages that `colcon build` generated still join this package.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
