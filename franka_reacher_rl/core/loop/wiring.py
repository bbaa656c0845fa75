"""The wiring of the graph: which output feeds each input.

The sync and the async graph share all connections but two: who sends ticks to the actor, and who sends update requests
to the learner. The launch files turn this table into remappings, and virtual time routes messages by it.
"""

from __future__ import annotations

from collections.abc import Mapping

Wires = Mapping[str, Mapping[str, str]]  # node -> input -> output, as `node/output`

SHARED: Wires = {
    "camera": {"joint_states": "sim_robot/joint_states", "target": "sim_robot/target"},
    "reward": {"image": "camera/image_raw"},
    "environment": {
        "image": "camera/image_raw",
        "reward": "reward/value",
        "robot_state": "robot_bridge/robot_state",
        "robot_status": "robot_bridge/status",
        "action": "actor/action",
        "actor_ready": "actor/ready",
        "learner_status": "learner/status",
        "move_to": "robot_bridge/move_to",
        "finish": "robot_bridge/finish",
        # People call these two. They are here so that another package's bridge offers them under the same names.
        "stop": "robot_bridge/stop",
        "arm": "robot_bridge/arm",
        "rearm": "robot_bridge/rearm",
        "place_target": "sim_robot/place_target",
    },
    "actor": {
        "observation": "environment/observation",
        "policy": "learner/policy",
        "policy_inline": "learner/policy_inline",  # subscribed to where the learner's shared memory is out of reach
    },
    "learner": {"transition": "actor/transition"},
    "robot_bridge": {"velocity_command": "actor/velocity_command"},
    "command_guard": {},
    "sim_robot": {},
    "display": {
        "robot_state": "robot_bridge/robot_state",
        "reward": "reward/value",
        "cycle": "environment/cycle",
        "target": "sim_robot/target",
    },
    "recorder": {"episode": "environment/episode", "learner_status": "learner/status"},
    # These two run on request.
    "viewer": {
        "image": "camera/image_raw",
        "mask": "reward/mask",
        "reward": "reward/value",
        "robot_state": "robot_bridge/robot_state",
        "robot_status": "robot_bridge/status",
        "cycle": "environment/cycle",
        "episode": "environment/episode",
        "action": "actor/action",
        "learner_status": "learner/status",
        "target": "sim_robot/target",
    },
    "bag_recorder": {},
}
ON_REQUEST = {"view": "viewer", "record": "bag_recorder"}  # launch argument -> node

WIRINGS: Mapping[str, Wires] = {
    "sync": {
        "actor": {"tick": "learner/update_done"},
        "learner": {"update_request": "environment/cycle"},
    },
    "async": {
        "actor": {"tick": "environment/cycle"},
        "learner": {"update_request": "learner/update_done"},
    },
}

# With the learner on another computer, `uplink` sends the transitions, and each computer has a recorder.
TWO_MACHINES: Wires = {
    "learner": {"transition": "uplink/transition", "episode": "environment/episode"},
    "uplink": {"transition": "actor/transition", "receipt": "learner/receipt"},
    "robot_recorder": SHARED["recorder"],
}
LEARNER_PART = ("learner", "recorder")  # nodes at the learner's computer; all others run at the arm

# Without a learner, the actor acts on each observation as it comes.
EVALUATION: Wires = {"actor": {"tick": "environment/cycle"}}


def wires(wiring: str, *, evaluate: bool = False, two_machines: bool = False) -> dict[str, dict[str, str]]:
    """Return every node's inputs and the outputs that feed them.

    Args:
        wiring: `sync` or `async`.
        evaluate: Whether a saved policy runs without a learner.
        two_machines: Whether the learner runs on another computer.

    Raises:
        ValueError: There is no such wiring.
    """
    if wiring not in WIRINGS:
        raise ValueError(f"unknown wiring {wiring!r}: choose {' or '.join(WIRINGS)}")
    chosen = EVALUATION if evaluate else WIRINGS[wiring]
    split = TWO_MACHINES if two_machines else {}
    nodes = [*SHARED, *(node for node in split if node not in SHARED)]
    return {node: {**SHARED.get(node, {}), **chosen.get(node, {}), **split.get(node, {})} for node in nodes}
