"""The learner's part of a run on two machines, for the computer with the GPU; see docs/two_machines.md."""

from launch import LaunchDescription

from franka_reacher_rl.launching.graph import part_of_graph
from franka_reacher_rl.launching.two_machines import Part


def generate_launch_description() -> LaunchDescription:
    """Return the learner and its recorder."""
    return part_of_graph(Part.LEARNER)
