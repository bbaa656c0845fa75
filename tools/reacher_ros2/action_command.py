"""`ros2 action`: list actions, show who offers and uses one, and send a goal."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

from ros2cli.command import CommandExtension

_CANCEL_PATIENCE = 5.0  # s to wait for the end of a goal that was canceled


class ActionCommand(CommandExtension):  # type: ignore[misc]
    """Show actions and send goals."""

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str) -> None:
        """Declare the command's arguments."""
        verbs = parser.add_subparsers(title="Commands", dest="verb", required=True)
        every = verbs.add_parser("list", help="list the actions of the graph")
        every.add_argument("-t", "--show-types", action="store_true", help="show the types too")
        every.add_argument("-c", "--count-actions", action="store_true", help="show only their number")
        info = verbs.add_parser("info", help="show the clients and servers of an action")
        info.add_argument("action_name", help="for example /robot_bridge/move_to")
        info.add_argument("-t", "--show-types", action="store_true", help="show the types too")
        info.add_argument("-c", "--count", action="store_true", help="show only the numbers")
        kind = verbs.add_parser("type", help="show the type of an action")
        kind.add_argument("action_name")
        send = verbs.add_parser("send_goal", help="send a goal and wait for its result; Ctrl-C cancels the goal")
        send.add_argument("action_name", help="for example /robot_bridge/move_to")
        send.add_argument("action_type", help="for example franka_reacher_rl/action/MoveTo")
        send.add_argument("goal", help="the goal in YAML, for example '{timeout: 5.0}'")
        send.add_argument("-f", "--feedback", action="store_true", help="print the feedback")
        send.add_argument("-t", "--timeout", type=float, help="seconds to wait for the server; default: no limit")

    def main(self, *, parser: argparse.ArgumentParser, args: argparse.Namespace) -> int | str:
        """Run the command; return the exit code, or an error message for stderr."""
        if args.verb == "send_goal":
            return send_goal(args.action_name, args.action_type, args.goal, args.feedback, args.timeout)
        from ros2cli.node.strategy import NodeStrategy

        with NodeStrategy(None) as node:
            types = dict(node.get_action_names_and_types())
            if args.verb == "list":
                print_list(types, args)
                return 0
            name = args.action_name if args.action_name.startswith("/") else f"/{args.action_name}"
            if args.verb == "type":
                if name not in types:
                    return f"no node offers or uses action '{name}'"
                print("\n".join(types[name]))
                return 0
            print_info(node, name, args)
        return 0


def print_list(types: dict[str, list[str]], args: argparse.Namespace) -> None:
    """Print the names of all actions, or their number."""
    if args.count_actions:
        print(len(types))
        return
    for name, kinds in sorted(types.items()):
        print(f"{name} [{', '.join(kinds)}]" if args.show_types else name)


def print_info(node: Any, action: str, args: argparse.Namespace) -> None:
    """Print the nodes that use and that offer an action."""
    nodes = sorted({(name, namespace) for name, namespace in node.get_node_names_and_namespaces()})
    print(f"Action: {action}")
    for title, find in (
        ("clients", node.get_action_client_names_and_types_by_node),
        ("servers", node.get_action_server_names_and_types_by_node),
    ):
        users = users_of(action, nodes, find)
        print(f"Action {title}: {len(users)}")
        for name, kinds in () if args.count else users:
            print(f"    {name} [{', '.join(kinds)}]" if args.show_types else f"    {name}")


def users_of(
    action: str, nodes: list[tuple[str, str]], find: Callable[[str, str], list[tuple[str, list[str]]]]
) -> list[tuple[str, list[str]]]:
    """Return the full names of the nodes of which `find` names the action, with its types there.

    Args:
        action: Full name of the action.
        nodes: Name and namespace of each node.
        find: Returns the names and types of a node's actions, given its name and namespace.
    """
    users = []
    for name, namespace in nodes:
        kinds = dict(find(name, namespace)).get(action)
        if kinds is not None:
            users.append((f"{namespace.rstrip('/')}/{name}", list(kinds)))
    return users


def send_goal(action: str, kind: str, text: str, show_feedback: bool, patience: float | None) -> int | str:
    """Send a goal, print what follows, and cancel the goal on an interrupt.

    Args:
        action: Name of the action.
        kind: Its type.
        text: The goal in YAML.
        show_feedback: Whether to print the feedback.
        patience: Time to wait for the server, s; None: no limit.

    Returns:
        0 if the goal succeeded, otherwise 1 or an error message.
    """
    try:
        action_type, goal = parse_goal(kind, text)
    except ValueError as error:
        return str(error)

    import rclpy
    from rclpy.action import ActionClient
    from rosidl_runtime_py import message_to_yaml

    def print_feedback(message: Any) -> None:
        print(f"Feedback:\n{indented(message_to_yaml(message.feedback))}")

    # rclpy's own signal handler would end the context, so that the goal could not be canceled.
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = rclpy.create_node("_ros2cli_send_goal")
    client = ActionClient(node, action_type, action)
    try:
        print("Waiting for an action server to become available...")
        if not client.wait_for_server(patience):
            return f"no node offers action '{action}' within {patience} s"
        print(f"Sending goal:\n{indented(message_to_yaml(goal))}")
        response = follow(node, client.send_goal_async(goal, print_feedback if show_feedback else None))
    finally:
        client.destroy()
        node.destroy_node()
        rclpy.shutdown()
    if response is None:
        return "the goal has no result"
    status = status_name(response.status)
    print(f"Result:\n{indented(message_to_yaml(response.result))}\nGoal finished with status: {status}")
    return 0 if status == "SUCCEEDED" else 1


def parse_goal(kind: str, text: str) -> tuple[Any, Any]:
    """Return an action's type, and the goal that YAML describes.

    Raises:
        ValueError: There is no such type, or the goal does not fit it.
    """
    import yaml
    from rosidl_runtime_py import set_message_fields
    from rosidl_runtime_py.utilities import get_action

    try:
        action_type = get_action(kind)
    except (AttributeError, LookupError, ModuleNotFoundError, ValueError):
        raise ValueError(f"there is no action type '{kind}': give one like franka_reacher_rl/action/MoveTo") from None
    goal = action_type.Goal()
    try:
        set_message_fields(goal, yaml.safe_load(text) or {})
    except (AssertionError, AttributeError, TypeError, ValueError, yaml.YAMLError) as error:
        fields = ", ".join(f"{name} ({kind})" for name, kind in goal.get_fields_and_field_types().items())
        raise ValueError(f"the goal is not allowed ({error}): its fields are {fields}") from None
    return action_type, goal


def follow(node: Any, sent: Any) -> Any:
    """Wait for the end of a goal and return the response with its result; on an interrupt, cancel the goal.

    Args:
        node: The node to spin.
        sent: The future of the goal's handle.

    Returns:
        None if the server rejects the goal, or if a canceled goal does not end in time.
    """
    try:
        handle = spin(node, sent)
        if not handle.accepted:
            print("The action server rejected the goal.")
            return None
        print(f"Goal accepted with ID: {bytes(handle.goal_id.uuid).hex()}\n")
        return spin(node, handle.get_result_async())
    except KeyboardInterrupt:
        print("Canceling goal...")
        handle = spin(node, sent, _CANCEL_PATIENCE)
        if handle is None or not handle.accepted:
            return None
        handle.cancel_goal_async()
        return spin(node, handle.get_result_async(), _CANCEL_PATIENCE)


def spin(node: Any, future: Any, patience: float = math.inf) -> Any:
    """Return the result of a future, or None if it has none after `patience` (s)."""
    import rclpy

    end = time.monotonic() + patience
    while not future.done() and time.monotonic() < end:
        rclpy.spin_until_future_complete(node, future, timeout_sec=0.1)  # short, because an interrupt does not end it
    return future.result()


def status_name(status: int) -> str:
    """Return the name of a goal's status, for example SUCCEEDED."""
    from action_msgs.msg import GoalStatus

    names = {getattr(GoalStatus, name): name for name in dir(GoalStatus) if name.startswith("STATUS_")}
    return names.get(status, f"STATUS_{status}").removeprefix("STATUS_")


def indented(text: str) -> str:
    """Return text with each line indented."""
    return "".join(f"    {line}\n" for line in text.splitlines())
