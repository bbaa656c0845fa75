"""A camera of another package: 640x480 bgr8 at 30 Hz on `image_raw`, with its own frame id.

It shows a still red disc on grey. The parameter `reliable` selects the reliability.
"""

import array
import contextlib

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

SIZE, FRAME_ID = (640, 480), "foreign_optical_frame"
CENTRE, RADIUS = (480, 240), 60  # px, of the disc


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("foreign_camera")
    reliable = node.declare_parameter("reliable", True).value
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    publisher = node.create_publisher(Image, "image_raw", QoSProfile(depth=5, reliability=reliability))
    picture = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    cv2.circle(picture, CENTRE, RADIUS, (20, 20, 200), thickness=-1)
    image = Image(encoding="bgr8", width=SIZE[0], height=SIZE[1], step=3 * SIZE[0])
    image.data = array.array("B", picture.tobytes())
    image.header.frame_id = FRAME_ID

    def publish() -> None:
        image.header.stamp = node.get_clock().now().to_msg()
        image.data[0] = (image.data[0] + 1) % 256  # as a sensor's noise: a picture that stands still is refused
        publisher.publish(image)

    node.create_timer(1.0 / 30.0, publish)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
