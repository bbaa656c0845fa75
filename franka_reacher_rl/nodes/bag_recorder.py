"""The bag recorder: writes every message of the graph into one MCAP file per run, as it was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rosidl_runtime_py.utilities import get_message

from franka_reacher_rl.core.loop.wiring import SHARED, TWO_MACHINES
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_param
from franka_reacher_rl.ros.recording.bag import Bag, Message
from franka_reacher_rl.ros.recording.recovery import complete

_LOOK_PERIOD = 1.0  # s, between two looks for new topics
_READ_PERIOD = 0.05  # s; reading many messages at a time takes less processor time
_LEFT_OUT = "policy_inline"  # the weights are in the checkpoints
_GRAPH = {*SHARED, *TWO_MACHINES}


class BagRecorder(Node):
    """Records the topics to which a node of its namespace publishes, and those to which the graph subscribes."""

    task = "bag"
    drain_seconds = 0.5  # s, for the last messages of nodes that end at the same time

    def __init__(self) -> None:
        super().__init__("bag_recorder")
        path = Path(declare_param(self, "path", "run.mcap", "file to write; a number is added if it exists"))
        keep_free = declare_param(self, "keep_free", 2.0, "free disk space below which the recording ends [GB]")
        if not keep_free >= 0.0:
            raise ValueError(f"parameter keep_free = {keep_free} is not allowed: 0 or more")
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier = sorted(path.parent.glob(f"{path.stem}*{path.suffix}"))
        self._bag = Bag(_unused(path), round(1e9 * keep_free))
        self._readers: dict[str, Callable[[], None]] = {}
        self._batch: list[Message] = []
        self._known: set[str] = set()
        self._reported = ""
        threading.Thread(target=self._complete, args=[earlier], name="recovery", daemon=True).start()
        self._look()
        self.steady_timer(_LOOK_PERIOD, self._look)
        self.steady_timer(_READ_PERIOD, self._read)

    def _look(self) -> None:
        """Subscribe to topics that are new."""
        for topic, kinds in self.get_topic_names_and_types():
            if topic in self._known or topic.endswith(_LEFT_OUT) or _hidden(topic):
                continue
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers and self._belongs(topic, publishers):
                self._known.add(topic)
                try:
                    self._subscribe(topic, kinds[0], publishers)
                except (ValueError, LookupError, ImportError, AttributeError) as error:
                    self.get_logger().warning(f"{topic} is not recorded: {error}")

    def _belongs(self, topic: str, publishers: list[TopicEndpointInfo]) -> bool:
        """Return whether a topic is one of this graph, of which there may be several."""
        if any(publisher.node_namespace == self.get_namespace() for publisher in publishers):
            return True
        readers = self.get_subscriptions_info_by_topic(topic)
        return any(each.node_namespace == self.get_namespace() and each.node_name in _GRAPH for each in readers)

    def _subscribe(self, topic: str, kind: str, publishers: list[TopicEndpointInfo]) -> None:
        self._bag.add(topic, kind)
        latched = all(each.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in publishers)
        self._readers[topic] = self.poll_subscription(
            get_message(kind),
            topic,
            partial(self._take, topic),
            qos.SUMMARIES if latched else qos.BAG,
            message_info=True,
            raw=True,
        )

    def _read(self) -> None:
        for read in self._readers.values():
            read()
        for message in sorted(self._batch, key=lambda each: each.received):
            self._bag.write(message)
        self._batch.clear()

    def _take(self, topic: str, serialised: bytes, info: Mapping[str, int]) -> None:
        received = info["received_timestamp"] or time.time_ns()  # 0: the middleware does not tell
        self._batch.append(Message(topic, received, info["source_timestamp"] or received, serialised))

    def _complete(self, paths: list[Path]) -> None:
        """Complete the recordings of recorders that were killed."""
        for path in paths:
            try:
                if (found := complete(path)) is not None:
                    self.get_logger().info(f"{path} is completed: {found} messages of a recorder that was killed")
            except (OSError, ValueError) as error:
                self.get_logger().warning(f"an earlier recording cannot be completed: {error}")

    def diagnose(self) -> Diagnosis:
        written, dropped = self._bag.written.total(), self._bag.dropped.total()
        values = {"file": self._bag.path, "topics": len(self._readers), "written": written, "dropped": dropped}
        if failure := self._bag.failure:
            if failure != self._reported:
                self._reported = failure
                self.get_logger().error(f"{failure}; the run goes on without a recording")
            return DiagnosticStatus.ERROR, failure, values
        if dropped:
            return DiagnosticStatus.WARN, f"{dropped} messages were dropped: is the disk too slow?", values
        return DiagnosticStatus.OK, "recording", values

    def on_stop(self) -> None:
        self._read()
        self._bag.close()


def _hidden(topic: str) -> bool:
    """Return whether a topic is hidden by ROS 2's convention, as those of actions are; they have no .msg file."""
    return any(part.startswith("_") for part in topic.split("/"))


def _unused(path: Path) -> Path:
    """Return a path that does not exist: a node that is started again must not destroy what is there."""
    numbered = (path.with_stem(f"{path.stem}_{number}") for number in range(1, 1000))
    return path if not path.exists() else next(each for each in numbered if not each.exists())


def main() -> None:
    """Run the bag recorder."""
    run_node(BagRecorder)
