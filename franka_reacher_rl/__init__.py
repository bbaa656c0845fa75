"""Real-time reinforcement learning on a velocity-controlled arm, wired synchronously or asynchronously."""

from pkgutil import extend_path

# In the source tree, this adds the messages that `colcon build` generated. An installation needs no code here: there,
# ament_cmake may replace this file by an empty one.
__path__ = extend_path(__path__, __name__)
