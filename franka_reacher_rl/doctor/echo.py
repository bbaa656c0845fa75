"""Two processes that find each other, for `doctor`: `python -m franka_reacher_rl.doctor.echo answer|ask ROUNDS`."""

from __future__ import annotations

import sys
import time

import numpy as np
import rclpy
from rclpy.node import Node
from std_msgs.msg import Int64

from franka_reacher_rl.ros import qos


def answer(node: Node) -> None:
    """Send back what comes, until killed."""
    back = node.create_publisher(Int64, "back", qos.RELIABLE)
    node.create_subscription(Int64, "forth", back.publish, qos.RELIABLE)
    rclpy.spin(node)


def ask(node: Node, rounds: int) -> None:
    """Print how long discovery took, s, and median and 99th percentile of a round, ms."""
    began = time.monotonic()
    answers: list[int] = []
    forth = node.create_publisher(Int64, "forth", qos.RELIABLE)
    node.create_subscription(Int64, "back", lambda message: answers.append(message.data), qos.RELIABLE)
    while not answers:
        forth.publish(Int64(data=0))
        rclpy.spin_once(node, timeout_sec=0.05)
    found, times = time.monotonic() - began, []
    for number in range(1, rounds + 1):
        sent = time.monotonic()
        forth.publish(Int64(data=number))
        while answers[-1] != number:
            rclpy.spin_once(node)
        times.append(1e3 * (time.monotonic() - sent))
    print(found, *np.quantile(times, [0.5, 0.99]))


if __name__ == "__main__":
    rclpy.init()
    made = rclpy.create_node(f"doctor_{sys.argv[1]}")
    answer(made) if sys.argv[1] == "answer" else ask(made, int(sys.argv[2]))
