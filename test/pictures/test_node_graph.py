from __future__ import annotations

from pathlib import Path

from franka_reacher_rl.core.loop.wiring import SHARED, WIRINGS
from franka_reacher_rl.pictures.node_graph import Edge, arrows, draw

SERVICES = {"arm", "finish", "move_to", "place_target", "policy_inline", "rearm", "stop"}  # and what one computer lacks


def wired(wiring: str) -> set[Edge]:
    """The connections of the wiring table, as the running graph shows them."""
    tables = (SHARED, WIRINGS[wiring])
    wires = [(output, node) for table in tables for node, inputs in table.items() for output in inputs.values()]
    wires = [(output, node) for output, node in wires if output.split("/")[1] not in SERVICES]
    drawn = {"camera", "reward", "environment", "actor", "learner", "robot_bridge", "recorder", "sim_robot"}
    found = {(output.split("/")[0], node, output) for output, node in wires if {output.split("/")[0], node} <= drawn}
    return found | {
        ("robot_bridge", "sim_robot", "forward_velocity_controller/commands"),
        ("sim_robot", "robot_bridge", "sim_robot/joint_states"),
        ("robot_bridge", "command_guard", "robot_bridge/robot_state"),
        ("command_guard", "robot_bridge", "command_guard/heartbeat"),
    }


def test_the_two_graphs_differ_in_the_two_connections_of_the_wiring_table() -> None:
    sync, asynchronous = wired("sync"), wired("async")
    common = sync & asynchronous
    assert {arrow: topics for arrow, topics in arrows(sync, common).items() if arrow[2]} == {
        ("environment", "learner", True): ["cycle"],
        ("learner", "actor", True): ["update_done"],
    }
    assert {arrow: topics for arrow, topics in arrows(asynchronous, common).items() if arrow[2]} == {
        ("environment", "actor", True): ["cycle"],
        ("learner", "learner", True): ["update_done"],
    }


def test_topics_between_the_same_nodes_share_an_arrow() -> None:
    found = {("a", "b", "x/one"), ("a", "b", "x/two"), ("b", "a", "three")}
    assert arrows(found, found) == {("a", "b", False): ["one", "two"], ("b", "a", False): ["three"]}


def test_both_graphs_are_drawn(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "graph.png"
    draw({wiring: wired(wiring) for wiring in ("sync", "async")}, out)
    assert out.read_bytes().startswith(b"\x89PNG")
