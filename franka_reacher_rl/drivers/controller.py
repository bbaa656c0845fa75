"""The controller behind a command topic: which joints it drives, through which interface, and who else commands it.

A command is a list of numbers without a meaning of its own: a controller of positions would drive every joint to zero.
So the bridge sends nothing before the controller's parameters `joints` and `interface_name` are known. An inactive
controller subscribes too. Whether it is active is asked of ros2_control's controller manager where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.task import Future

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.ros.node import Node

try:
    from controller_manager_msgs.srv import ListControllers
except ImportError:  # part of ros2_control, which a simulated arm does not need
    ListControllers = None

GUARD = "command_guard"  # node beside the bridge that may publish commands too
UNNAMED = "_NODE_NAME_UNKNOWN_"  # name that rmw gives a node whose name it does not know yet
LONGEST_FAULT = 600  # characters
POLL_PERIOD = 0.5  # s, between questions to the controller and its manager
VELOCITY = "velocity"
# This deprecated controller has no parameter `interface_name` in older versions.
GROUP_CONTROLLER = "velocity_controllers/JointGroupVelocityController"
ADVICE = "use forward_command_controller/ForwardCommandController with `interface_name: velocity`"


@dataclass(frozen=True)
class Facts:
    """What a controller and its manager have answered so far.

    Attributes:
        name: Full name of the controller.
        manager: Full name of the node that would be its manager.
        wanted: Joints of the robot file.
        joints: Parameter `joints`; empty: there is none; None: not answered yet.
        interface: Parameter `interface_name`; empty: there is none; None: not answered yet.
        state: Life cycle state according to the manager; empty: no manager lists the controller.
        driven: Interface that the controller commands according to the manager, or an empty string.
    """

    name: str
    manager: str
    wanted: Sequence[str]
    joints: Sequence[str] | None = None
    interface: str | None = None
    state: str = ""
    driven: str = ""

    def waiting_for(self) -> str:
        """Return what must be known before a command may be sent, or an empty string."""
        if self.joints is None or self.interface is None:
            return f"{self.name} has not answered which joints and interface it commands: load and configure it"
        if not (self.interface or self.driven):
            return f"{self.name} has no parameter `interface_name` and no manager says what it commands: {ADVICE}"
        return ""

    def mismatch(self) -> str:
        """Return why no command may be sent to this controller and what to do, or an empty string."""
        if self.waiting_for():
            return ""
        for interface in (self.interface, self.driven):
            if interface and interface != VELOCITY:
                return f"{self.name} commands the interface {interface!r}, not {VELOCITY!r}: {ADVICE}"
        if sorted(self.joints or ()) != sorted(self.wanted):
            return (
                f"{self.name} has the joints {list(self.joints or ())}, but the robot file has {list(self.wanted)}: "
                "give both the same joints, in any order"
            )
        return ""

    def inactive(self) -> str:
        """Return that the controller is not active and how to activate it, or an empty string."""
        if self.state in ("", "active"):
            return ""
        option = "" if self.manager == "/controller_manager" else f" -c {self.manager}"
        return (
            f"{self.name} is {self.state}, so the arm does not follow commands: run `ros2 control switch_controllers "
            f"--activate {self.name.rsplit('/', 1)[1]}{option}`"
        )

    def order(self) -> list[int] | None:
        """Return the indices that put velocities into the controller's order, or None if it must not be used."""
        if self.waiting_for() or self.mismatch():
            return None
        return [list(self.wanted).index(joint) for joint in self.joints or ()]


class Controller:
    """Keeps the facts about the controller that receives the commands, by asking every POLL_PERIOD.

    Attributes:
        order: Indices that put velocities into the controller's order; None while it must not be used.
        fault: Why the controller cannot be used and what to do, or an empty string.
        waiting_for: What must be known before the first command, or an empty string.

    Args:
        node: The node of the bridge.
        robot: The robot.
        topic: The full name of the command topic, which is the controller's private topic `commands`.

    Raises:
        ValueError: The name of the topic does not contain that of the controller.
    """

    def __init__(self, node: Node, robot: Robot, topic: str) -> None:
        name = topic.rsplit("/", 1)[0]
        if not name:
            raise ValueError(f"driver.command_topic = {topic!r} is not allowed: give <name of the controller>/commands")
        manager = f"{name.rsplit('/', 1)[0]}/controller_manager"
        self._node, self._topic = node, topic
        self._facts = self._unknown = Facts(name, manager, robot.joints)
        self._used = False  # whether commands have been allowed
        self._others = self._cannot_ask = ""
        self._unnamed = 0  # publishers at the last poll whose node was not known
        self._pending: dict[str, tuple[Client, Future]] = {}
        self._parameters = node.create_client(GetParameters, f"{name}/get_parameters")
        self._service = f"{manager}/list_controllers"
        self._list = node.create_client(ListControllers, self._service) if ListControllers else None
        self.order: list[int] | None = None
        self.fault, self.waiting_for = "", self._facts.waiting_for()
        node.steady_timer(POLL_PERIOD, self._poll)

    def lose(self) -> None:
        """Forget the controller, because nothing receives the commands."""
        if self._facts is not self._unknown:
            self._learn(self._unknown)

    def _poll(self) -> None:
        if self._parameters.service_is_ready():
            # One by one, because a name that is not declared leaves the whole answer empty.
            self._ask("joints", self._parameters, GetParameters.Request(names=["joints"]), self._take_joints)
            request = GetParameters.Request(names=["interface_name"])
            self._ask("interface_name", self._parameters, request, self._take_interface)
        else:
            self.lose()  # even if others, such as the guard, still receive the commands
        if self._list is not None and self._list.service_is_ready():
            self._ask("list", self._list, ListControllers.Request(), self._take_list)
        self._others, self._cannot_ask = self._other_publishers(), self._missing_package()
        self._learn(self._facts)
        if self.waiting_for:
            self._node.get_logger().info(f"waiting: {self.waiting_for}", throttle_duration_sec=5.0)

    def _other_publishers(self) -> str:
        """Return which publishers of commands there are besides this bridge and its guard, or an empty string."""
        space = self._node.get_namespace()
        expected = [(space, self._node.get_name()), (space, GUARD)]
        others, unnamed = [], 0
        for info in self._node.get_publishers_info_by_topic(self._topic):
            publisher = (info.node_namespace, info.node_name)
            if publisher in expected:
                expected.remove(publisher)  # a second one of this name is another bridge
            elif info.node_name == UNNAMED:
                unnamed += 1
            else:
                others.append(f"{info.node_namespace.rstrip('/')}/{info.node_name}")
        # A publisher, the guard's too, may be discovered shortly before the name of its node.
        others += ["a node without a name"] * min(unnamed, self._unnamed)
        self._unnamed = unnamed
        if not others:
            return ""
        return f"{self._topic} has other publishers than this bridge: {', '.join(sorted(others))}; stop them"

    def _missing_package(self) -> str:
        """Return that the manager cannot be asked for want of its messages, or an empty string."""
        if self._list is not None or self._service not in dict(self._node.get_service_names_and_types()):
            return ""
        return (
            f"{self._facts.manager} cannot be asked whether the controller is active: install the ROS 2 package "
            "controller_manager_msgs on this computer, then restart the bridge"
        )

    def _ask(self, what: str, client: Client, request: Any, take: Callable[[Any], None]) -> None:
        if what in self._pending:  # the last question was not answered in time
            asked, late = self._pending.pop(what)
            asked.remove_pending_request(late)
        future = client.call_async(request)
        self._pending[what] = client, future

        def answered(future: Future) -> None:
            self._pending.pop(what, None)
            if future.result() is not None:
                take(future.result())

        future.add_done_callback(answered)

    def _take_joints(self, response: GetParameters.Response) -> None:
        joints = list(response.values[0].string_array_value) if response.values else []
        self._learn(replace(self._facts, joints=joints))

    def _take_interface(self, response: GetParameters.Response) -> None:
        self._learn(replace(self._facts, interface=response.values[0].string_value if response.values else ""))

    def _take_list(self, response: Any) -> None:
        name = self._facts.name.rsplit("/", 1)[1]
        entries = [entry for entry in response.controller if entry.name == name]
        interfaces = {i.rsplit("/", 1)[-1] for entry in entries for i in entry.required_command_interfaces}
        driven = " and ".join(sorted(interfaces))
        if not driven and any(entry.type == GROUP_CONTROLLER for entry in entries):
            driven = VELOCITY
        self._learn(replace(self._facts, state=entries[0].state if entries else "", driven=driven))

    def _learn(self, facts: Facts) -> None:
        """Keep facts, and conclude what may be sent."""
        self._facts = facts
        # A bridge that has not sent anything leaves the arm to the others. One that has must bring it to rest.
        self.waiting_for = shortened(facts.waiting_for() or ("" if self._used else self._others), LONGEST_FAULT)
        self.order = None if self.waiting_for else facts.order()
        conflict = (self.waiting_for or self._others) if self._used else ""
        fault = self._cannot_ask or facts.mismatch() or facts.inactive() or conflict
        self.fault = shortened(fault, LONGEST_FAULT)  # parts of it come from the network
        self._used = self._used or self.order is not None
