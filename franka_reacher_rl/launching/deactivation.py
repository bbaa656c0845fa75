"""Deactivates the controller of an arm whose bridge has died, where ros2_control's controller manager runs."""

from __future__ import annotations

import time

import rclpy.node

from franka_reacher_rl.ros.services import call

BRAKING = 0.5  # s in which the command guard brings the arm to rest, which is smoother than a deactivation
_DISCOVERY = 1.0  # s
_ANSWER = 2.0  # s


def deactivate(node: rclpy.node.Node, topic: str) -> str:
    """Ask the controller manager to deactivate the controller that receives the commands of a topic.

    Blocks for at most 3 s, while another thread must spin the node.

    Args:
        node: Sends the request.
        topic: Full name of the command topic, `<controller>/commands`.

    Returns:
        What has happened, or an empty string if there is no controller manager.
    """
    try:
        from controller_manager_msgs.srv import SwitchController
    except ImportError:  # part of ros2_control
        return ""
    controller = topic.rsplit("/", 1)[0]
    place, _, name = controller.rpartition("/")
    client = node.create_client(SwitchController, f"{place}/controller_manager/switch_controller")
    try:
        if not client.wait_for_service(_DISCOVERY):
            return ""
        request = SwitchController.Request(deactivate_controllers=[name], strictness=SwitchController.Request.STRICT)
        answers: list[SwitchController.Response] = []
        call(client, request, answers.append)
        end = time.monotonic() + _ANSWER
        while not answers and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        node.destroy_client(client)
    if answers and answers[0].ok:
        return f"deactivated the controller {controller}"
    reason = getattr(answers[0], "message", "") if answers else f"no answer within {_ANSWER:g} s"
    return f"the controller {controller} is not deactivated: {reason or 'the controller manager refused'}"
