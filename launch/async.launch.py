"""The async graph: the actor acts on each observation at once, and the learner updates as fast as its budget allows."""

from launch import LaunchDescription

from franka_reacher_rl.launching.graph import graph


def generate_launch_description() -> LaunchDescription:
    """Return the async graph."""
    return graph("async")
