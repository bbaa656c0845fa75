"""The sync graph: the actor waits for the learner's update on each step, so one update separates two actions."""

from launch import LaunchDescription

from franka_reacher_rl.ros.launching import graph


def generate_launch_description() -> LaunchDescription:
    """Return the sync graph."""
    return graph("sync")
