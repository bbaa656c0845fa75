"""Whatever arrives at a node's subscriptions and services, the node refuses it or goes on with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import fuzzing
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from fuzzing import JOINTS, RUN, fuzzed, messages
from geometry_msgs.msg import PoseStamped
from permissions import allowed
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, Empty, Float64MultiArray, Header

from franka_reacher_rl import action, msg
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import StepId
from franka_reacher_rl.core.base.settings import ImageSettings, NetworkSettings
from franka_reacher_rl.core.learning.networks import make_policy, network_digest
from franka_reacher_rl.core.loop.wiring import WIRINGS, wires
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.drivers.topic import TopicDriver
from franka_reacher_rl.nodes import camera as camera_module
from franka_reacher_rl.nodes.actor import Actor
from franka_reacher_rl.nodes.camera import Camera
from franka_reacher_rl.nodes.command_guard import CommandGuard
from franka_reacher_rl.nodes.display import Display
from franka_reacher_rl.nodes.environment import Environment
from franka_reacher_rl.nodes.learner import Learner
from franka_reacher_rl.nodes.recorder import Recorder
from franka_reacher_rl.nodes.reward import Reward
from franka_reacher_rl.nodes.robot_bridge import RobotBridge
from franka_reacher_rl.nodes.robot_state_publisher import RobotStatePublisher
from franka_reacher_rl.nodes.sim_robot import SimRobot
from franka_reacher_rl.nodes.uplink import Uplink
from franka_reacher_rl.ros import node as node_module
from franka_reacher_rl.ros.clocks import stamp_from_steady, stamp_ns, steady_ns
from franka_reacher_rl.ros.intake import LazyImage
from franka_reacher_rl.ros.standard_messages import bytes_msg, image_msg

SIDE = 16
IMAGE = ImageSettings(width=SIDE, height=SIDE, frames=2)
NETWORK = NetworkSettings(channels=[4], strides=[2], hidden=[8])
PARAMETERS = {
    "run_id": RUN,
    "robot": "panda_sim",
    "image.width": SIDE,
    "image.height": SIDE,
    "image.frames": 2,
    "network.channels": "[4]",
    "network.strides": "[2]",
    "network.hidden": "[8]",
    "learner.batch_size": 2,
    "learner.warmup_steps": 2,
    "learner.replay_capacity": 200,
    "learner.device": "cpu",
    "learner_timeout": 10.0,
}
NODES = [
    Actor, Camera, CommandGuard, Display, Environment, Learner, Recorder, Reward, RobotBridge, RobotStatePublisher,
    SimRobot, Uplink,
]  # fmt: skip
START = Robot.load("panda_sim").start_middle().tolist()
FRAME = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One node of each kind in this process, without the threads of camera and learner."""
    patch = pytest.MonkeyPatch()
    patch.setattr(camera_module.Grabber, "start", lambda self: None)
    patch.setattr(camera_module.Grabber, "stop", lambda self: None)
    patch.setattr("franka_reacher_rl.core.loop.update_thread.UpdateThread.start", lambda self: None)
    patch.setattr("franka_reacher_rl.core.loop.update_thread.UpdateThread.stop", lambda self, timeout: None)
    patch.setattr(TopicDriver, "_connected", lambda self: True)
    patch.setattr(node_module.Publisher, "get_subscription_count", lambda self: 1)
    folder = tmp_path_factory.mktemp("run")
    arguments = [f"{name}:={value}" for name, value in {**PARAMETERS, "run_dir": folder}.items()]
    os.environ["ROS_DOMAIN_ID"] = str(int(os.environ["ROS_DOMAIN_ID"]) % 100 + 1)
    rclpy.init(args=["--ros-args", *(word for argument in arguments for word in ("-p", argument))])
    made = {kind.__name__: kind() for kind in NODES}
    levels = {node.get_name(): rclpy.logging.get_logger_level(node.get_name()) for node in made.values()}
    for node in made.values():
        node.get_logger().set_level(rclpy.logging.LoggingSeverity.FATAL)
        poke(node)  # creates the subscriptions that exist only while somebody watches
    yield made
    for node in made.values():
        node.on_stop()
        node.destroy_node()
    for name, level in levels.items():  # they outlive the context
        rclpy.logging.set_logger_level(name, level)
    rclpy.try_shutdown()
    patch.undo()


def poke(node: Any) -> None:
    """Lets a node do what it does regularly."""
    for timer in node.steady_timers:
        timer.callback()
    if isinstance(node, RobotBridge):
        node._driver._controller.order = list(range(7))
    if isinstance(node, Environment):
        node._inputs.missing(steady_ns())


def renew(node: Any) -> None:
    """Lets a node forget what the last case was, so that no message is merely a repetition."""
    if isinstance(node, Recorder):
        node._episode = 0
    if isinstance(node, Learner):
        node._thread.resume_after(StepId(0, 0))
    if isinstance(node, Actor):
        node._loop.acted = node._loop._stored = StepId(0, 0)
    if isinstance(node, RobotStatePublisher):
        node._due = 0.0
    if isinstance(node, Environment):
        now, stamp = steady_ns(), stamp_ns(stamp_from_steady(steady_ns()))
        node._inputs._captured = 0
        node._inputs.on_image(stamp, now, LazyImage(serialize_message(valid(Image))))
        node._inputs.on_reward(stamp, 1.0, 0.1)
        node._on_state(valid(msg.RobotState))
        assert not node._inputs.missing(now)


@cache
def weights() -> bytes:
    return bytes(FlatWeights(make_policy(IMAGE, NETWORK, 7, 0)).bytes())


def valid(kind: Any) -> Any:
    """A message that a node takes."""
    now = stamp_from_steady(steady_ns())
    header, seven, start = Header(stamp=now, frame_id="world"), [0.1] * 7, START
    if kind is Image:
        return image_msg(FRAME, header)
    if kind is JointState:
        return JointState(header=header, name=JOINTS, position=start, velocity=seven)
    if kind is msg.Observation:
        image = image_msg(FRAME, header)
        return msg.Observation(
            header=header, run_id=RUN, episode=1, proprioception=[0.1] * 21, image=image, robot_stamp=now, first=True
        )
    if kind is msg.Transition:
        return msg.Transition(
            header=header, run_id=RUN, episode=1, height=SIDE, width=SIDE, image=bytes_msg(FRAME), action=seven,
            proprioception=[0.1] * 21,
        )  # fmt: skip
    if kind is msg.Policy:
        announced = PolicyWriter(RUN, network_digest(IMAGE, NETWORK, 7)).inline(weights(), 3)
        return msg.Policy(stamp=now, **vars(announced), weights=bytes_msg(weights()))
    if kind is msg.RobotState:
        return msg.RobotState(header=header, joint_names=JOINTS, q=start, dq=seven, dq_cmd=seven, mode="ready")
    if kind is msg.RobotStatus:
        return msg.RobotStatus(header=header, robot="panda_sim", mode="ready")
    if kind is msg.EpisodeSummary:
        return msg.EpisodeSummary(header=header, run_id=RUN, episode=1, steps=3, end_reason="time_limit")
    if kind is DiagnosticArray:
        status = DiagnosticStatus(name="camera: frames", values=[KeyValue(key="run_id", value=RUN)])
        return DiagnosticArray(header=header, status=[status])
    if kind in (msg.Tick, msg.Action, msg.LearnerStatus, msg.Receipt):
        made = kind(run_id=RUN)
        return made
    return {
        msg.Reward: lambda: msg.Reward(header=header, coverage=0.1, reward=1.0),
        Float64MultiArray: lambda: Float64MultiArray(data=seven),
        PoseStamped: lambda: PoseStamped(header=header),
        Bool: lambda: Bool(data=True),
        Empty: Empty,
    }[kind]()


PIXELS = {
    "rgb8": 3, "bgr8": 3, "mono8": 1, "rgba8": 4, "bgra8": 4, "yuv422": 2, "uyvy": 2, "yuv422_yuy2": 2, "yuyv": 2,
    "mono16": 2, "16UC1": 2, "8UC3": 3, "8UC4": 4, "8UC5": 5, "8UC512": 512, "8UC99999": 9, "32FC1": 4, "64FC4": 32,
    "bayer_rggb8": 1, "bayer_gbrg16": 2, "nv21": 1, "nv24": 2, "": 3, "rgb8 ": 3, "x" * 3000: 1,
}  # fmt: skip


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Images whose sizes agree or not, in known and in odd encodings."""
    encoding = draw(st.sampled_from(sorted(PIXELS)))
    image = Image(header=valid(Image).header, encoding=encoding, is_bigendian=draw(st.sampled_from([0, 1, 255])))
    small, any_size = st.sampled_from([1, 2, 3, 15, 16, 17, 64, 1000]), st.sampled_from([0, 65535, 2**31, 2**32 - 1])
    agrees = draw(st.integers(0, 3)) > 0
    image.width, image.height = (draw(small if agrees else small | any_size) for _ in range(2))
    step = PIXELS[encoding] * image.width + (0 if agrees else draw(st.sampled_from([-1, 1, 2**32])))
    image.step = min(max(step, 0), 2**32 - 1)
    length = image.step * image.height + (0 if agrees else draw(st.sampled_from([-1, 1])))
    value = draw(st.integers(0, 255))
    image.data = bytes_msg(bytes([value]) * max(0, min(length, 500_000)))
    return image


def check_state(node: Any) -> None:
    """Nothing that is not finite, or of another size, is kept where the policy or the replay reads it."""
    if isinstance(node, Environment) and not node._inputs.missing(now := steady_ns()):
        sensed = node._inputs.read(now)
        assert sensed.proprioception.shape == (21,) and np.isfinite(sensed.proprioception).all()
        assert np.isfinite(sensed.reward) and sensed.frame.shape == (SIDE, SIDE, 3)
    if isinstance(node, Actor) and node._loop._observation is not None:
        observation = node._loop._observation
        assert observation.proprioception.shape == (21,) and np.isfinite(observation.proprioception).all()
        assert np.isfinite(observation.reward) and observation.frame.shape == (SIDE, SIDE, 3)
    if isinstance(node, Camera) and node._feed._state is not None:
        assert node._feed._state[0].shape == (7,) and np.isfinite(node._feed._state[0]).all()
    if isinstance(node, SimRobot):
        assert np.isfinite(node._world.command).all()


def take(node: Any, subscription: Any, message: Any) -> None:
    subscription.callback(serialize_message(message) if subscription.raw else message)


def topics() -> list[str]:
    """The subscriptions of the nodes, which the test below checks to be all."""
    return [
        "Actor/observation", "Actor/policy", "Actor/tick", "Camera/joint_states", "Camera/target",
        "CommandGuard/sim_robot/commands", "Display/cycle", "Display/reward", "Display/robot_state", "Display/target",
        "Environment/action", "Environment/actor_ready", "Environment/image", "Environment/learner_status",
        "Environment/reward", "Environment/robot_state", "Environment/robot_status", "Learner/transition",
        "Learner/update_request", "Recorder/diagnostics", "Recorder/episode", "Recorder/learner_status", "Reward/image",
        "RobotBridge/command_guard/heartbeat", "RobotBridge/sim_robot/joint_states", "RobotBridge/velocity_command",
        "RobotStatePublisher/joint_states", "SimRobot/sim_robot/commands",
        "Uplink/receipt", "Uplink/transition",
    ]  # fmt: skip


def subscriptions(node: Any) -> dict[str, Any]:
    made = [*node.subscriptions, *node.polled]
    return {f"{type(node).__name__}{s.topic_name}": s for s in made if s.topic_name != "/parameter_events"}


def test_every_subscription_is_fuzzed(graph: dict[str, Any]) -> None:
    assert sorted(name for node in graph.values() for name in subscriptions(node)) == sorted(topics())


@pytest.mark.parametrize("topic", topics())
@fuzzed()
@given(data=st.data())
def test_a_subscription_refuses_or_takes_any_message(topic: str, graph: dict[str, Any], data: st.DataObject) -> None:
    fuzzing.count()
    node = graph[topic.partition("/")[0]]
    subscription = subscriptions(node)[topic]
    kind = subscription.msg_type
    renew(node)
    shaped = kind is Image and data.draw(st.booleans())
    message = data.draw(images() if shaped else messages(kind, valid(kind)))
    if topic == "Environment/reward":  # which counts once its image is there
        image = LazyImage(serialize_message(valid(Image)))
        node._inputs.on_image(stamp_ns(message.header.stamp), steady_ns(), image)
    if subscription.raw and data.draw(st.booleans()):
        subscription.callback(data.draw(fuzzing.damaged(serialize_message(message))))
    else:
        take(node, subscription, message)
    if topic == "Environment/image":
        node._inputs.on_reward(stamp_ns(message.header.stamp), 1.0, 0.1)
    check_state(node)
    if data.draw(st.integers(0, 29)) == 0:
        poke(node)


@pytest.mark.parametrize("name", [kind.__name__ for kind in NODES])
@fuzzed()
@given(data=st.data())
def test_a_service_answers_any_request(name: str, graph: dict[str, Any], data: st.DataObject) -> None:
    fuzzing.count()
    node = graph[name]
    # Those of the type descriptions answer in C++, and `continue` and the like have no content.
    services = [s for s in node.services if fuzzing.paths(s.srv_type.Request) and "type_desc" not in s.srv_name]
    if not services:
        return
    service = data.draw(st.sampled_from(services))
    answer = service.callback(data.draw(messages(service.srv_type.Request)), service.srv_type.Response())
    assert isinstance(answer, service.srv_type.Response)
    serialize_message(answer)
    if data.draw(st.integers(0, 29)) == 0:
        poke(node)


class Handle:
    """A goal as the action server hands it on."""

    def __init__(self, request: Any) -> None:
        self.request, self.goal_id = request, type("Id", (), {"uuid": os.urandom(16)})
        self.is_cancel_requested = False

    def execute(self) -> None:
        self.result = self.server._finish(self)

    def succeed(self) -> None: ...

    def abort(self) -> None: ...

    def canceled(self) -> None: ...

    def publish_feedback(self, feedback: Any) -> None: ...


@fuzzed()
@given(goal=messages(action.MoveTo.Goal, action.MoveTo.Goal(joint_names=JOINTS, position=[0.1] * 7, timeout=1.0)))
def test_the_bridge_answers_any_goal(graph: dict[str, Any], goal: Any) -> None:
    fuzzing.count()
    moves = graph["RobotBridge"]._moves
    handle = Handle(goal)
    handle.server = moves
    moves._on_goal(handle)
    moves._on_cancel(handle)
    poke(graph["RobotBridge"])


@pytest.mark.parametrize("name", ["Recorder", "Reward", "Environment", "SimRobot"])
def test_a_refusal_is_counted_and_named_in_the_diagnostics(name: str, graph: dict[str, Any]) -> None:
    node = graph[name]
    wrong: dict[str, tuple[str, Any]] = {
        "Recorder": ("Recorder/episode", msg.EpisodeSummary(run_id="another")),
        "Reward": ("Reward/image", Image(width=2**32 - 1, height=2**32 - 1, encoding="rgb8")),
        "Environment": ("Environment/robot_state", msg.RobotState(q=[np.nan] * 7)),
        "SimRobot": ("SimRobot/sim_robot/commands", Float64MultiArray(data=[np.inf] * 7)),
    }
    topic, message = wrong[name]
    node._publish_diagnostics()
    published: list[DiagnosticArray] = []
    patch = pytest.MonkeyPatch()
    patch.setattr(node._diagnostics, "publish", published.append)
    before = node.refusals.count
    take(node, subscriptions(node)[topic], message)
    node._publish_diagnostics()
    patch.undo()
    assert node.refusals.count == before + 1
    values = {value.key: value.value for value in published[0].status[0].values}
    assert values["refused"] == str(before + 1)
    assert values["last_refusal"].startswith(f"{type(message).__name__} on")
    assert published[0].status[0].level != DiagnosticStatus.OK


def test_the_run_folder_stays_readable(graph: dict[str, Any]) -> None:
    folder = Path(graph["Recorder"]._record.folder)
    (folder / "episodes.csv").read_text().encode()


def test_the_permissions_of_sros2_cover_what_each_node_uses(graph: dict[str, Any]) -> None:
    def fed(node: Any, name: str) -> list[str]:
        """The full names that an input has in the two wirings, or the name itself."""
        tables = [wires(wiring, two_machines=split) for wiring in WIRINGS for split in (False, True)]
        inputs = [table.get(node.get_name(), {}) for table in tables]
        found = [f"/{given[name[1:]]}" for given in inputs if name[1:] in given]
        return found or ["/robot_bridge/joint_states" if name == "/joint_states" else name]

    for node in graph.values():
        name = node.get_name()
        for publisher in node.publishers:
            assert set(fed(node, publisher.topic_name)) <= allowed(name, "topics", "publish"), publisher.topic_name
        for subscription in [*node.subscriptions, *node.polled]:
            assert set(fed(node, subscription.topic_name)) <= allowed(name, "topics", "subscribe")
        for service in node.services:
            full = service.srv_name if service.srv_name.startswith("/") else f"/{service.srv_name.replace('~', name)}"
            assert full in allowed(name, "services", "reply"), full
        for client in node.clients:
            full = client.srv_name if client.srv_name.startswith("/") else f"/{client.srv_name}"
            assert set(fed(node, full)) <= allowed(name, "services", "request"), full
