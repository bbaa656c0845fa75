"""The uplink between a scripted actor and a scripted learner."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus

from franka_reacher_rl.msg import Receipt, Transition
from franka_reacher_rl.nodes.uplink import Uplink
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.link.spooled_transitions import gap_from_msg
from franka_reacher_rl.ros.standard_messages import bytes_msg, floats_msg

RUN = ("-p", "run_id:=monday")


class Around:
    """Plays the actor and the learner."""

    def __init__(self, probe: Any, *, learner: bool = True) -> None:
        self.probe = probe
        self._rows = probe.node.create_publisher(Transition, "transition", qos.HISTORY)
        self._receipts = probe.node.create_publisher(Receipt, "receipt", qos.LATCHED)
        self.received: list[Transition] = []
        if learner:
            self.listen()
        self.uplink = probe.add(Uplink())
        probe.until(lambda: self._rows.get_subscription_count() and self._receipts.get_subscription_count())
        if learner:
            probe.until(lambda: self.uplink._transitions.get_subscription_count())

    def listen(self) -> None:
        self.received = self.probe.listen(Transition, "/uplink/transition", qos.HISTORY)

    def act(self, steps: range, run: str = "monday") -> None:
        for step in steps:
            row = Transition(run_id=run, episode=1, step=step, height=36, width=64, policy_version=step)
            row.image = bytes_msg(np.full((36, 64, 3), step, np.uint8))
            row.action = floats_msg(np.full(7, 0.125))
            self._rows.publish(row)

    def receipt(self, number: int) -> None:
        self._receipts.publish(Receipt(run_id="monday", number=number))

    def numbers(self) -> list[int]:
        return [row.number for row in self.received]


def test_transitions_are_numbered_and_otherwise_unchanged(probe_after: Any, tmp_path: Path) -> None:
    around = Around(probe_after(*RUN, "-p", f"run_dir:={tmp_path}"))
    around.receipt(0)
    around.act(range(5))
    around.probe.until(lambda: len(around.received) == 5)
    assert around.numbers() == [1, 2, 3, 4, 5]
    for step, row in enumerate(around.received):
        assert (row.run_id, row.episode, row.step, row.policy_version) == ("monday", 1, step, step)
        assert set(row.image) == {step} and len(row.image) == 36 * 64 * 3 and list(row.action) == [0.125] * 7
    around.receipt(5)
    around.probe.until(lambda: around.uplink._sender.pending == 0)
    assert around.uplink.drained() and around.uplink.diagnose()[0] == DiagnosticStatus.OK


def test_nothing_is_sent_before_a_receipt_and_the_window_is_kept(probe_after: Any, tmp_path: Path) -> None:
    around = Around(probe_after(*RUN, "-p", f"run_dir:={tmp_path}", "-p", "window_messages:=3"))
    around.act(range(8))
    around.probe.until(lambda: around.uplink._sender.pending == 8)
    assert not around.received and "first receipt" in around.uplink.diagnose()[1]
    around.receipt(0)
    around.probe.until(lambda: len(around.received) >= 3)
    around.receipt(2)
    around.probe.until(lambda: len(around.received) >= 5)
    assert around.numbers() == [1, 2, 3, 4, 5]


def test_without_a_receipt_they_are_sent_again(probe_after: Any, tmp_path: Path) -> None:
    around = Around(probe_after(*RUN, "-p", f"run_dir:={tmp_path}"))
    around.receipt(0)
    around.act(range(2))
    began = time.monotonic()
    around.probe.until(lambda: len(around.received) >= 4)
    assert time.monotonic() - began > 0.9 and around.numbers()[:4] == [1, 2, 1, 2]


def test_a_learner_that_went_back_gets_them_again_from_a_restarted_uplink_too(probe_after: Any, tmp_path: Path) -> None:
    arguments = (*RUN, "-p", f"run_dir:={tmp_path}")
    first = Around(probe_after(*arguments))
    first.receipt(0)
    first.act(range(6))
    first.probe.until(lambda: len(first.received) == 6)
    first.receipt(6)
    first.probe.until(lambda: first.uplink._sender.received == 6)
    first.receipt(4)
    first.probe.until(lambda: len(first.received) == 8)
    assert first.numbers()[6:] == [5, 6]
    first.probe.close()
    rclpy.try_shutdown()
    again = Around(probe_after(*arguments))
    again.receipt(3)
    again.probe.until(lambda: len(again.received) == 3)
    assert again.numbers() == [4, 5, 6] and [row.step for row in again.received] == [3, 4, 5]
    again.act(range(6, 7))
    again.probe.until(lambda: len(again.received) == 4)
    assert again.numbers()[-1] == 7


def test_another_run_and_damaged_data_are_refused(probe_after: Any, tmp_path: Path) -> None:
    around = Around(probe_after(*RUN, "-p", f"run_dir:={tmp_path}"))
    around.act(range(1), run="tuesday")
    around.probe.until(lambda: around.uplink.refusals.count == 1)
    with pytest.raises(ValueError, match="no transition"):
        around.uplink._on_transition(b"\x00\x01\x00\x00")
    assert around.uplink._sender.pending == 0


def test_a_spool_that_is_full_names_the_gap(probe_after: Any, tmp_path: Path) -> None:
    around = Around(probe_after(*RUN, "-p", f"run_dir:={tmp_path}", "-p", "spool_megabytes:=1"), learner=False)
    for begin in range(0, 200, 40):
        around.act(range(begin, begin + 40))
        around.probe.until(lambda: around.uplink._spool.next == begin + 41)  # noqa: B023
    oldest = around.uplink._spool.oldest
    assert oldest > 1
    assert "there is no learner" in around.uplink.diagnose()[1] or "first receipt" in around.uplink.diagnose()[1]
    around.listen()
    around.receipt(0)
    around.probe.until(lambda: len(around.received) >= 2)
    gap = gap_from_msg(around.received[0])
    assert gap is not None and (gap.first, gap.last) == (1, oldest - 1)
    assert around.received[1].number == oldest and around.received[1].step == oldest - 1
