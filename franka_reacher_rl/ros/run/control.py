"""The services by which a person pauses, resumes and aborts a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import rclpy.node
from std_srvs.srv import Trigger

from franka_reacher_rl.core.loop.environment import Environment
from franka_reacher_rl.core.loop.events import Output, RunState
from franka_reacher_rl.ros.clocks import steady_ns


class RunControl:
    """Offers `~/pause`, `~/resume` and `~/abort`."""

    def __init__(self, node: rclpy.node.Node, rules: Environment, send: Callable[[Sequence[Output]], None]) -> None:
        """Create the services.

        Args:
            node: The environment node.
            rules: Decides what follows from a call.
            send: Sends what follows.
        """
        self._node, self._rules, self._send = node, rules, send
        self._services = [
            node.create_service(Trigger, "~/pause", self._on_pause),
            node.create_service(Trigger, "~/resume", self._on_resume),
            node.create_service(Trigger, "~/abort", self._on_abort),
        ]

    def _on_pause(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._send(self._rules.on_pause(steady_ns()))
        return self._answer(response, RunState.PAUSED, "the run is paused: the arm rests until ~/resume is called")

    def _on_resume(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._rules.on_resume()
        self._send([])
        return self._answer(response, RunState.RUNNING, "the run goes on: an episode begins when everything is ready")

    def _on_abort(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._send(self._rules.on_abort(steady_ns()))
        return self._answer(response, RunState.ABORTED, "the run is aborted")

    def _answer(self, response: Trigger.Response, wanted: RunState, message: str) -> Trigger.Response:
        state = self._rules.progress.state
        response.success = state is wanted
        response.message = message if response.success else f"nothing has changed: the run is {state.value}"
        self._node.get_logger().warning(response.message)
        return response
