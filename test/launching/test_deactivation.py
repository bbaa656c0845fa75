"""The controller of an arm without a bridge is deactivated through a stand-in controller manager."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("controller_manager_msgs", reason="ros2_control's messages are not installed")

import rclpy
from controller_manager_msgs.srv import SwitchController
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from franka_reacher_rl.launching.deactivation import deactivate


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    """A node that asks and one that answers, both spun by a thread."""
    context = rclpy.Context()
    context.init()
    pair = Node("launch_ros", context=context), Node("controller_manager", namespace="/left", context=context)
    executor = SingleThreadedExecutor(context=context)
    for node in pair:
        executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield pair
    executor.shutdown()
    thread.join(5.0)
    for node in pair:
        node.destroy_node()
    context.try_shutdown()


def manager(node: Node, *, ok: bool) -> list[Any]:
    """Offer the service that switches controllers, and return the requests."""
    requests: list[Any] = []

    def switch(request: Any, response: Any) -> Any:
        requests.append(request)
        response.ok = ok
        return response

    node.create_service(SwitchController, "controller_manager/switch_controller", switch)
    return requests


def test_the_controller_of_the_command_topic_is_deactivated(nodes: tuple[Node, Node]) -> None:
    requests = manager(nodes[1], ok=True)
    said = deactivate(nodes[0], "/left/forward_velocity_controller/commands")
    assert said == "deactivated the controller /left/forward_velocity_controller"
    assert requests[0].deactivate_controllers == ["forward_velocity_controller"]
    assert not requests[0].activate_controllers


def test_a_refusal_is_reported(nodes: tuple[Node, Node]) -> None:
    manager(nodes[1], ok=False)
    said = deactivate(nodes[0], "/left/forward_velocity_controller/commands")
    assert "/left/forward_velocity_controller is not deactivated" in said


def test_without_a_controller_manager_nothing_happens(nodes: tuple[Node, Node]) -> None:
    manager(nodes[1], ok=True)
    assert deactivate(nodes[0], "/right/forward_velocity_controller/commands") == ""
