"""The server of the action `MoveTo`, which the control cycle of the robot bridge drives."""

from __future__ import annotations

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle

from franka_reacher_rl.action import MoveTo
from franka_reacher_rl.core.arm.bridge import Bridge
from franka_reacher_rl.core.arm.moves import Move
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.node import Node

FEEDBACK_PERIOD = 0.1  # s
RESULT_TIMEOUT = 30  # s for which a client can still ask for the result of a goal that has ended


class MoveServer:
    """Offers `~/move_to` and finishes its goals.

    No callback waits for a move, so any executor can run the node. An accepted goal is stored, and `update` finishes it
    once the move has ended. A refused goal is accepted and aborted, because a rejection cannot carry a reason.
    """

    def __init__(self, node: Node, bridge: Bridge) -> None:
        self._bridge = bridge
        self._moves: list[tuple[ServerGoalHandle, Move]] = []
        self._results: dict[bytes, MoveTo.Result] = {}  # of goals that are about to be finished
        self._feedback_due = 0.0
        self._server = ActionServer(
            node,
            MoveTo,
            "~/move_to",
            self._finish,
            handle_accepted_callback=self._on_goal,
            cancel_callback=self._on_cancel,
            result_timeout=RESULT_TIMEOUT,
        )

    def update(self, now: float) -> None:
        """Publish feedback of running moves and finish the goals of ended ones; called once per control cycle.

        Args:
            now: Current time on the steady clock, s.
        """
        if not self._moves:
            return
        moves, self._moves = self._moves, []
        for handle, move in moves:
            if move.done:
                self._end(handle, MoveTo.Result(success=move.success, message=move.message, duration=move.duration))
            else:
                self._moves.append((handle, move))
        if now >= self._feedback_due:
            self._feedback_due = now + FEEDBACK_PERIOD
            self._publish_feedback(now)

    def close(self) -> None:
        """Withdraw the action."""
        self._server.destroy()

    def _publish_feedback(self, now: float) -> None:
        measured = self._bridge.measured
        for handle, move in self._moves:
            if measured is not None:
                left = move.distance_left(measured.q)
                handle.publish_feedback(MoveTo.Feedback(distance_left=left, elapsed=now - move.started))

    def _on_goal(self, handle: ServerGoalHandle) -> None:
        goal = handle.request
        try:
            move = self._bridge.move_to(steady_seconds(), goal.joint_names, goal.position, goal.timeout)
        except ValueError as error:
            self._end(handle, MoveTo.Result(message=str(error)))
        else:
            self._moves.append((handle, move))

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        canceled = [move.cancel() for stored, move in self._moves if stored == handle]
        return CancelResponse.ACCEPT if any(canceled) else CancelResponse.REJECT

    def _end(self, handle: ServerGoalHandle, result: MoveTo.Result) -> None:
        self._results[bytes(handle.goal_id.uuid)] = result
        handle.execute()  # calls `_finish`

    def _finish(self, handle: ServerGoalHandle) -> MoveTo.Result:
        result = self._results.pop(bytes(handle.goal_id.uuid))
        if result.success:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result
