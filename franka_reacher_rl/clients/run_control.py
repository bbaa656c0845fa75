"""Pauses, resumes or aborts the run of a graph through its environment's services."""

from __future__ import annotations

import time

import rclpy
import rclpy.node
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from franka_reacher_rl.ros.run.domain import ros_domain

_PATIENCE = 5.0  # s, for the environment to be discovered and to answer
_REPEAT = 1.0  # s without an answer after which a call is repeated; each may be repeated without harm


def ask(verb: str, namespace: str = "", patience: float = _PATIENCE) -> tuple[bool, str]:
    """Call a service of the environment.

    Args:
        verb: pause, resume or abort.
        namespace: Namespace of the graph.
        patience: Seconds to wait for the environment, and for its answer.

    Returns:
        Whether the run has the state that was asked for, and the environment's answer.

    Raises:
        ValueError: There is no environment, or it does not answer.
    """
    context = rclpy.Context()
    context.init()
    node = rclpy.node.Node("run_control", namespace=namespace, context=context, use_global_arguments=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        return _ask(node, executor, verb, patience)
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def _ask(node: rclpy.node.Node, executor: SingleThreadedExecutor, verb: str, patience: float) -> tuple[bool, str]:
    client, name = node.create_client(Trigger, f"environment/{verb}"), node.resolve_service_name(f"environment/{verb}")
    end = time.monotonic() + patience
    while not client.service_is_ready() and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    if not client.service_is_ready():
        raise ValueError(_missing(node, name, verb, patience))
    response = _answer(client, executor, patience)
    if response is None and verb == "abort" and not client.service_is_ready():
        return True, "the run has ended"
    if response is None:
        raise ValueError(f"{name} has not answered within {patience:g} s: the environment hangs or is ending")
    return bool(response.success), str(response.message)


def _answer(client: Client, executor: SingleThreadedExecutor, patience: float) -> Trigger.Response | None:
    """Call a service until it answers; an answer is lost if the service has not discovered the client's reader yet."""
    end = time.monotonic() + patience
    while (left := end - time.monotonic()) > 0.0 and client.service_is_ready():
        answer = client.call_async(Trigger.Request())
        executor.spin_until_future_complete(answer, timeout_sec=min(left, _REPEAT))
        if answer.done():
            return answer.result()
    return None


def _missing(node: rclpy.node.Node, service: str, verb: str, patience: float) -> str:
    """Say that there is no environment, and name the graphs that there are."""
    names = [
        name
        for name, _ in node.get_service_names_and_types()
        if name.endswith(f"/environment/{verb}") and name != service
    ]
    spaces = sorted(name.removesuffix(f"/environment/{verb}") for name in names)
    if spaces:
        there = " or ".join(f"--namespace {space}" if space else "no --namespace" for space in spaces)
        hint = f"there is a graph in another namespace: give {there}"
    else:
        hint = "no graph is running there: check ROS_DOMAIN_ID, or start one with ./reacher launch async.launch.py"
    return f"no environment offers {service} in domain {ros_domain()} within {patience:g} s; {hint}"
