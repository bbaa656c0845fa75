"""Async: the actor keeps the action cycle, the learner updates as fast as its budget allows."""

from launch import LaunchDescription

from franka_reacher_rl.ros.launching import graph


def generate_launch_description() -> LaunchDescription:
    """The async graph."""
    return graph(
        "async",
        {
            "actor": {"tick": "environment/cycle"},
            "learner": {"update_request": "learner/update_done"},
        },
    )
