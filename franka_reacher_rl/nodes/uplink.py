"""The uplink node: stores the actor's transitions on disk, and sends them to a learner on another computer."""

from __future__ import annotations

from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus

from franka_reacher_rl import msg
from franka_reacher_rl.core.base.paths import scratch_folder
from franka_reacher_rl.core.link.sender import Gap, Sender, Window
from franka_reacher_rl.core.link.spool import Spool
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.link.spooled_transitions import encoding_is_known, gap_msg, numbered, run_id_of
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_param

SPOOL_FOLDER = "spool"
_POLL_PERIOD = 0.1  # s, between looks for what to send again
_PATIENCE = 3.0  # s of silence before diagnostics warn
_GIVE_UP = 5.0  # s without a receipt after which a node that ends leaves the rest in its spool


class Uplink(Node):
    """Publishes the transitions of `transition` as `~/transition`: numbered, in order, and again until received.

    The learner confirms them on `receipt`. Meanwhile they are on disk, so an interrupted link delays them only.
    """

    task = "transitions"
    drain_seconds = 30.0

    def __init__(self) -> None:
        super().__init__("uplink")
        run_dir = declare_param(self, "run_dir", "", "folder of the run, which keeps the spool; empty: a temporary one")
        megabytes = declare_param(self, "spool_megabytes", 2000, "size of the spool on disk [MB]")
        window = Window()
        messages = declare_param(self, "window_messages", window.messages, "most transitions sent beyond the receipt")
        size = declare_param(self, "window_megabytes", 1e-6 * window.bytes, "most data sent beyond the receipt [MB]")
        if megabytes < 1 or messages < 1 or size <= 0.0:
            raise ValueError("spool_megabytes, window_messages and window_megabytes must be positive")
        if not encoding_is_known():
            raise RuntimeError("this middleware does not encode messages as CDR: use rmw_fastrtps_cpp or rmw_zenoh_cpp")
        folder = Path(run_dir) if run_dir else scratch_folder(self.run.id)
        self._spool = Spool(folder / SPOOL_FOLDER, self.run.id, megabytes * 1_000_000)
        self._sender = Sender(self._spool, Window(messages, round(1e6 * size)))
        if self._sender.pending:
            self.get_logger().info(f"the spool in {folder} holds {self._sender.pending} transitions")
        self._lost_reported = 0
        # The middleware keeps no more than the window: what it drops, `Sender` sends again.
        self._transitions = self.create_publisher(msg.Transition, "~/transition", qos.last(messages))
        self.create_subscription(msg.Transition, "transition", self._on_transition, qos.HISTORY, raw=True)
        self.create_subscription(msg.Receipt, "receipt", self.run.only(self._on_receipt), qos.LATCHED)
        self.steady_timer(_POLL_PERIOD, self._send)

    def _on_transition(self, data: bytes) -> None:
        self.run.check(run_id_of(data))
        self._sender.on_message(data)
        if self._sender.failure:
            self.get_logger().error(f"a transition is lost: {self._sender.failure}", throttle_duration_sec=10.0)
        self._send()

    def _on_receipt(self, receipt: msg.Receipt) -> None:
        before = self._sender.received
        self._sender.on_receipt(steady_seconds(), receipt.number)
        if before is not None and receipt.number < before:
            again = before - receipt.number
            self.get_logger().warning(f"the learner went back to its checkpoint: {again} transitions are sent again")
        self._send()

    def _send(self) -> None:
        if not self._transitions.get_subscription_count():
            return
        for each in self._sender.due(steady_seconds()):
            if isinstance(each, Gap):
                self._transitions.publish(gap_msg(each, self.run.id))
            else:
                self._transitions.publish(numbered(each.data, each.number))
        if self._sender.lost > self._lost_reported:
            new, self._lost_reported = self._sender.lost - self._lost_reported, self._sender.lost
            self.get_logger().error(f"the spool was full or damaged: {new} transitions never reach the learner")

    def drained(self) -> bool:
        """Return whether all transitions were received, or the learner is not there."""
        there = self._transitions.get_subscription_count() > 0 and self._silence() < _GIVE_UP
        return not (self._sender.pending and there)

    def _silence(self) -> float:
        """Return for how long there has been no receipt although transitions wait for one, s."""
        return self._sender.silence(steady_seconds())

    def diagnose(self) -> Diagnosis:
        sender, silence = self._sender, self._silence()
        values = {
            "waiting": sender.pending,
            "received": -1 if sender.received is None else sender.received,
            "lost": sender.lost,
            "not_stored": sender.dropped,
            "spool_megabytes": f"{1e-6 * self._spool.size:.1f}",
        }
        if sender.failure:
            return DiagnosticStatus.ERROR, f"transitions cannot be stored: {sender.failure}", values
        waiting = f"{sender.pending} transitions wait in the spool"
        if sender.received is None:
            return DiagnosticStatus.WARN, f"waiting for the learner's first receipt; {waiting}", values
        if not self._transitions.get_subscription_count():
            return DiagnosticStatus.WARN, f"there is no learner: start learner.launch.py; {waiting}", values
        if silence > _PATIENCE:
            problem = f"no receipt from the learner for {silence:.0f} s: check the link and the learner"
            return DiagnosticStatus.WARN, f"{problem}; {waiting}", values
        return DiagnosticStatus.OK, f"{sender.received} transitions delivered", values

    def on_stop(self) -> None:
        """Close the spool."""
        if self._sender.pending:
            self.get_logger().warning(
                f"{self._sender.pending} transitions were not delivered and stay in the spool: they are sent when both "
                "parts are started again with the same run:="
            )
        self._spool.close()


def main() -> None:
    """Run the uplink node."""
    run_node(Uplink)
