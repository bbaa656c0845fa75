"""The arm's part of a run on two machines, for the real-time computer at the arm; see docs/two_machines.md."""

from launch import LaunchDescription

from franka_reacher_rl.launching.graph import part_of_graph
from franka_reacher_rl.launching.two_machines import Part


def generate_launch_description() -> LaunchDescription:
    """Return all nodes but the learner, and the uplink to it."""
    return part_of_graph(Part.ROBOT)
