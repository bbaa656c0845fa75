"""The async graph: the actor acts on each observation as it comes, and the learner updates as fast as it may."""

from launch import LaunchDescription

from franka_reacher_rl.ros.launching import graph


def generate_launch_description() -> LaunchDescription:
    """Return the async graph."""
    return graph("async")
