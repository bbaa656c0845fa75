"""Only the newest value is sent, to listeners only, at a capped rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from franka_reacher_rl.core.policy.latest_sender import LatestSender


class Sent:
    """Keeps what was sent, and when; a send lasts until the test allows it to end."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.times: list[float] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self._changed = threading.Condition()

    def __call__(self, value: int) -> None:
        with self._changed:
            self.values.append(value)
            self.times.append(time.monotonic())
            self._changed.notify()
        assert self.may_end.wait(5.0)

    def until(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.values) >= count, 5.0), self.values


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def sender(sent: Sent) -> Iterator[LatestSender[int]]:
    made = LatestSender(sent, 0.0)
    yield made
    sent.may_end.set()
    made.close()


def test_nothing_is_sent_without_listeners_and_the_newest_to_one_that_joins(
    sender: LatestSender[int], sent: Sent
) -> None:
    for value in range(3):
        sender.offer(value)
    sender.listeners(1)
    sent.until(1)
    assert sent.values == [2]
    sender.listeners(2)
    sent.until(2)
    assert sent.values == [2, 2]
    sender.listeners(0)
    sender.offer(3)
    sender.listeners(1)
    sent.until(3)
    assert sent.values == [2, 2, 3]


def test_values_replaced_during_a_slow_send_are_left_out(sender: LatestSender[int], sent: Sent) -> None:
    sent.may_end.clear()
    sender.listeners(1)
    sender.offer(0)
    sent.until(1)
    began = time.monotonic()
    for value in range(1, 5):
        sender.offer(value)
    assert time.monotonic() - began < 1.0, "offer() waited for the send"
    sent.may_end.set()
    sent.until(2)
    assert sent.values == [0, 4]


def test_the_rate_is_capped_but_for_a_listener_that_joins(sent: Sent) -> None:
    sender = LatestSender(sent, 0.3)
    sender.listeners(1)
    sender.offer(0)
    sent.until(1)
    sender.offer(1)
    sender.offer(2)
    sent.until(2)
    assert sent.values == [0, 2] and sent.times[1] - sent.times[0] >= 0.29
    slow = LatestSender(sent, 3600.0)
    slow.listeners(1)
    slow.offer(3)
    sent.until(3)
    slow.offer(4)
    slow.listeners(2)
    sent.until(4)
    assert sent.values == [0, 2, 3, 4]
    for each in (sender, slow):
        each.close()


def test_a_failed_send_is_reported_and_the_next_value_is_sent() -> None:
    sent = Sent()

    def send(value: int) -> None:
        sent(value)
        if value == 0:
            raise RuntimeError("no room")

    sender = LatestSender(send, 0.0)
    sender.listeners(1)
    sender.offer(0)
    sent.until(1)
    sender.offer(1)
    sent.until(2)
    sender.close()
    assert sent.values == [0, 1] and sender.failure == ""


def test_a_sender_closes_while_it_waits(sent: Sent) -> None:
    sender = LatestSender(sent, 3600.0)
    sender.listeners(1)
    sender.offer(0)
    sent.until(1)
    sender.offer(1)
    sender.close()
    assert sent.values == [0]
