"""A camera that misbehaves as a file tells it to: `good`, `black`, `frozen`, `small`, `late` or `silent`."""

import array
import contextlib
from pathlib import Path

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from sensor_msgs.msg import Image

SIZE = (64, 36)


def picture(behaviour: str, count: int) -> np.ndarray:
    """A red square on grey, which moves unless the picture is frozen."""
    frame = np.full((SIZE[1], SIZE[0], 3), 0 if behaviour == "black" else 90, np.uint8)
    if behaviour != "black":
        at = 0 if behaviour == "frozen" else count % 40
        frame[10:20, at : at + 10] = (200, 20, 20)
    return frame


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("odd_camera")
    control = Path(node.declare_parameter("control", "").value)
    publisher = node.create_publisher(Image, "image_raw", 5)
    count = 0

    def publish() -> None:
        nonlocal count
        count += 1
        behaviour = control.read_text()
        if behaviour == "silent":
            return
        frame = picture(behaviour, count)
        image = Image(encoding="rgb8", width=SIZE[0], height=SIZE[1], step=3 * SIZE[0])
        data = frame.tobytes()
        image.data = array.array("B", data[:-7] if behaviour == "small" else data)
        now = node.get_clock().now() - Duration(seconds=2.0 if behaviour == "late" else 0.0)
        image.header.stamp = now.to_msg()
        publisher.publish(image)

    node.create_timer(1.0 / 30.0, publish)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
