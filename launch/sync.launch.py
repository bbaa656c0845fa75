"""The sync graph: the actor waits for the learner's answer to each step, so there is one update between two actions."""

from launch import LaunchDescription

from franka_reacher_rl.launching.graph import graph


def generate_launch_description() -> LaunchDescription:
    """Return the sync graph."""
    return graph("sync")
