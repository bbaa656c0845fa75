"""The permissions for SROS 2 name every node and every connection of the wiring table."""

from __future__ import annotations

import pytest
from permissions import PROFILES, ROOT, allowed

from franka_reacher_rl.core.base.paths import PACKAGE
from franka_reacher_rl.core.loop.wiring import SHARED, TWO_MACHINES, WIRINGS, wires

# Inputs of the environment that are no topics.
SERVICES = {"finish", "rearm", "place_target"}
PEOPLE = {"stop", "arm"}  # services that the environment does not call
ACTIONS = {"move_to"}


def test_every_node_has_an_enclave_of_its_own() -> None:
    assert set(PROFILES) == {*SHARED, *TWO_MACHINES, "robot_state_publisher", "operator"}
    paths = {
        enclave.attrib["path"]: [p.attrib["node"] for p in enclave.iter("profile")] for enclave in ROOT.iter("enclave")
    }
    assert paths == {f"/{PACKAGE}/{node}": [node] for node in PROFILES}
    assert not [part for part in ROOT.iter() if "DENY" in part.attrib.values()], "what is not allowed is denied"


@pytest.mark.parametrize("two_machines", [False, True])
@pytest.mark.parametrize("wiring", WIRINGS)
def test_every_connection_is_allowed_on_both_sides(wiring: str, two_machines: bool) -> None:
    for node, inputs in wires(wiring, two_machines=two_machines).items():
        for name, output in inputs.items():
            source, full = output.partition("/")[0], f"/{output}"
            if name in ACTIONS:
                assert full in allowed(node, "actions", "call") and full in allowed(source, "actions", "execute")
            elif name in SERVICES:
                assert full in allowed(node, "services", "request") and full in allowed(source, "services", "reply")
            elif name in PEOPLE:
                assert full in allowed("operator", "services", "request")
                assert full in allowed(source, "services", "reply")
                assert full not in allowed(node, "services", "request")
            else:
                assert full in allowed(node, "topics", "subscribe"), (node, full)
                assert full in allowed(source, "topics", "publish"), (source, full)


def test_only_its_own_node_publishes_a_topic() -> None:
    shared = {
        "/rosout",
        "/parameter_events",
        "/diagnostics",
        "/sim_robot/commands",
        "/tf",
        "/tf_static",
        "/robot_description",
    }
    for node in PROFILES:
        others = {name for name in allowed(node, "topics", "publish") if not name.startswith(f"/{node}/")}
        assert others <= shared
    commanding = {node for node in PROFILES if "/sim_robot/commands" in allowed(node, "topics", "publish")}
    assert commanding == {"robot_bridge", "command_guard"}
    moving = {node for node in PROFILES if "/robot_bridge/move_to" in allowed(node, "actions", "call")}
    assert moving == {"environment"}
    setting = {n for n in PROFILES for name in allowed(n, "services", "request") if name.endswith("set_parameters")}
    assert not setting, "nobody may change parameters"
