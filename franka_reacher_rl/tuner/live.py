"""Tunes the mask of a running graph: reads and sets the parameters of its reward node."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import rclpy
import rclpy.node
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.task import Future
from sensor_msgs.msg import Image

from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.standard_messages import frame_from_msg
from franka_reacher_rl.tuner.page import Action, Page

PATIENCE = 5.0  # s
_NAMES = ("alpha", "bands", "dilate", "erode")


class LiveMask:
    """The reward node's mask and the camera's images."""

    def __init__(self, namespace: str, topic: str, show: Callable[[Any], None]) -> None:
        """Connect to a graph.

        Args:
            namespace: Namespace of the graph.
            topic: Topic of the images, in that namespace unless it begins with a slash.
            show: Called with each frame, in the thread of the node.

        Raises:
            ValueError: There is no reward node.
        """
        self._show, self.failure = show, ""
        self._context = rclpy.Context()
        self._context.init()
        self._node = rclpy.node.Node(
            "tune_mask", namespace=namespace, context=self._context, use_global_arguments=False
        )
        self._get = self._node.create_client(GetParameters, "reward/get_parameters")
        self._set = self._node.create_client(SetParametersAtomically, "reward/set_parameters_atomically")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._images = self._node.create_subscription(Image, topic, self._on_image, qos.NEWEST)
        self._thread = threading.Thread(target=self._spin, name="tune_mask", daemon=True)
        self._thread.start()
        if not (self._get.wait_for_service(PATIENCE) and self._set.wait_for_service(PATIENCE)):
            name = self._node.resolve_service_name("reward/get_parameters")
            self.close()
            raise ValueError(
                f"there is no {name} within {PATIENCE:g} s: start a graph, or check ROS_DOMAIN_ID and --namespace"
            )

    @property
    def topic(self) -> str:
        """The full name of the topic of the images."""
        return str(self._images.topic_name)

    def read(self) -> RewardSettings:
        """Return the mask that the reward node uses.

        Raises:
            ValueError: It does not answer.
        """
        answer = self._wait(self._get.call_async(GetParameters.Request(names=[f"reward.{name}" for name in _NAMES])))
        values = dict(zip(_NAMES, map(parameter_value_to_python, answer.values), strict=True))
        return RewardSettings(**{**values, "bands": list(values["bands"])})

    def send(self, settings: RewardSettings) -> str:
        """Set the mask of the reward node, and return what has been done.

        Raises:
            ValueError: The reward node does not answer, or refuses.
        """
        request = SetParametersAtomically.Request(parameters=parameters_of(settings))
        result = self._wait(self._set.call_async(request)).result
        if not result.successful:
            raise ValueError(f"the reward node refuses the mask: {result.reason}")
        return (
            "The reward node uses this mask now. The setting of the run is unchanged: write the file to keep the mask."
        )

    def close(self) -> None:
        """Disconnect."""
        self._executor.shutdown()
        self._thread.join(2.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def _wait(self, future: Future[Any]) -> Any:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(PATIENCE):
            raise ValueError(f"the reward node does not answer within {PATIENCE:g} s: see whether the graph still runs")
        return future.result()

    def _on_image(self, image: Image) -> None:
        try:
            self._show(frame_from_msg(image))
            self.failure = ""
        except ValueError as error:
            self.failure = str(error)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()


def tune_live(namespace: str, topic: str, port: int, actions: Mapping[str, Action]) -> int:
    """Open the page until Ctrl-C.

    Raises:
        ValueError: There is no reward node.
    """
    pages: list[Page] = []
    live = LiveMask(namespace, topic, lambda frame: pages[0].show(frame) if pages else None)
    try:
        page = Page(live.read(), {"send to the reward node": live.send, **actions}, port)
        pages.append(page)
        print(f"open {page.url}; Ctrl-C ends", flush=True)
        try:
            _watch(page, live)
        finally:
            page.close()
    finally:
        live.close()
    return 0


def _watch(page: Page, live: LiveMask) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        time.sleep(0.2)
        if page.picture is None and time.monotonic() > deadline:
            reason = live.failure or f"no image has arrived on {live.topic}: give its topic by --image-topic"
            print(f"tune-mask: {reason}", flush=True)
            deadline = float("inf")


def parameters_of(settings: RewardSettings) -> list[ParameterMsg]:
    """Return the live parameters of a mask."""
    values = {"reward.bands": settings.bands, "reward.dilate": settings.dilate, "reward.erode": settings.erode}
    return [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
