"""Subscribe to every topic of the graph: `python -m franka_reacher_rl.ros.subscribe_all`.

`bench cycle --observers` runs it as one of its observers.
"""

from __future__ import annotations

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rosidl_runtime_py.utilities import get_message

from franka_reacher_rl.ros import qos


def main() -> None:
    """Subscribe to all topics, and to new ones as they appear, until interrupted."""
    rclpy.init()
    node = rclpy.create_node("subscriber_to_all_topics")
    subscribed: set[str] = set()

    def subscribe() -> None:
        for topic, types in node.get_topic_names_and_types():
            if topic not in subscribed:
                subscribed.add(topic)
                # Best effort and volatile: compatible with every publisher.
                node.create_subscription(get_message(types[0]), topic, lambda message: None, qos.NEWEST)

    node.create_timer(0.2, subscribe, clock=Clock(clock_type=ClockType.STEADY_TIME))
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
