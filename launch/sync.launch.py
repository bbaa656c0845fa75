"""Sync: the actor waits for the learner, the learner for the step. One update between two actions, in lockstep."""

from launch import LaunchDescription

from franka_reacher_rl.ros.launching import graph


def generate_launch_description() -> LaunchDescription:
    """The sync graph."""
    return graph(
        "sync",
        {
            "actor": {"tick": "learner/update_done"},
            "learner": {"update_request": "environment/cycle"},
        },
    )
