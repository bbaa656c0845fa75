"""Delivery over a link that loses, and between a sender and a receiver that start anew: in order, and each once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from franka_reacher_rl.core.link.receiver import Receiver
from franka_reacher_rl.core.link.sender import Gap, Message, Sender, Window
from franka_reacher_rl.core.link.spool import Spool

SIZE = 100  # bytes of a message


def content(number: int) -> bytes:
    return number.to_bytes(4, "little") * (SIZE // 4)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path, "run", 1 << 20)
    yield made
    made.close()


def sender(spool: Spool, count: int, window: Window | None = None) -> Sender:
    made = Sender(spool, window)
    for _ in range(count):
        made.on_message(content(spool.next))
    return made


def numbers(sender: Sender, now: float) -> list[int | tuple[int, int]]:
    return [each.number if isinstance(each, Message) else (each.first, each.last) for each in sender.due(now)]


def test_nothing_is_sent_before_the_first_receipt(spool: Spool) -> None:
    link = sender(spool, 3)
    assert numbers(link, 0.0) == [] and numbers(link, 100.0) == []
    link.on_receipt(100.0, 0)
    assert numbers(link, 100.0) == [1, 2, 3]


def test_a_restarted_sender_begins_after_the_receipt(spool: Spool) -> None:
    link = sender(spool, 5)
    link.on_receipt(0.0, 3)
    # The spool was empty when it was opened, so the receiver has three messages of a spool that is lost.
    assert [each.data for each in link.due(0.0)] == [content(n) for n in range(1, 6)]
    assert spool.oldest == 4
    spool.close()
    again = Sender(Spool(spool._folder, "run", 1 << 20))
    again.on_receipt(0.0, 6)
    assert numbers(again, 0.0) == [7, 8]


def test_the_window_bounds_what_is_on_its_way(spool: Spool) -> None:
    link = sender(spool, 10, Window(messages=4))
    link.on_receipt(0.0, 0)
    assert numbers(link, 0.0) == [1, 2, 3, 4] and numbers(link, 0.1) == []
    link.on_receipt(0.2, 2)
    assert numbers(link, 0.2) == [5, 6]
    few = Sender(spool, Window(bytes=150))
    few.on_receipt(0.0, 2)
    assert numbers(few, 0.0) == [3, 4]


def test_without_progress_everything_since_the_receipt_is_sent_again_and_ever_less_often(spool: Spool) -> None:
    link = sender(spool, 3)
    link.on_receipt(0.0, 0)
    assert numbers(link, 0.0) == [1, 2, 3]
    assert numbers(link, 0.75) == [] and link.silence(0.75) == 0.75
    link.on_receipt(0.75, 1)
    assert numbers(link, 1.5) == []
    assert numbers(link, 1.75) == [2, 3]
    assert numbers(link, 3.5) == [] and numbers(link, 3.75) == [2, 3]
    link.on_receipt(4.0, 3)
    assert numbers(link, 100.0) == [] and link.silence(100.0) == 0.0 and link.pending == 0


def test_a_receiver_that_starts_from_a_checkpoint_gets_again_what_it_lacks(spool: Spool) -> None:
    link = sender(spool, 6)
    link.on_receipt(0.0, 0)
    assert len(list(link.due(0.0))) == 6
    link.on_receipt(0.1, 6)
    link.on_receipt(5.0, 2)
    assert numbers(link, 5.0) == [3, 4, 5, 6] and link.pending == 4


def test_removed_messages_are_named_as_the_next_thing_the_receiver_expects(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run", 20 * (SIZE + 12))
    link = sender(spool, 3)
    link.on_receipt(0.0, 0)
    assert numbers(link, 0.0) == [1, 2, 3]
    for _ in range(40):
        link.on_message(content(spool.next))
    oldest = spool.oldest
    assert oldest > 4
    assert numbers(link, 0.1) == [], "1 to 3 may have been lost on their way"
    link.on_receipt(0.2, 3)
    assert numbers(link, 0.2)[:2] == [(4, oldest - 1), oldest]
    assert link.lost == oldest - 4
    assert numbers(link, 1.3)[:2] == [(4, oldest - 1), oldest], "the gap is sent again too"
    assert link.lost == oldest - 4


def test_what_cannot_be_stored_is_counted(spool: Spool) -> None:
    link = sender(spool, 1)
    link.on_message(bytes(2 << 20))
    assert link.dropped == 1 and "does not fit" in link.failure
    link.on_message(content(2))
    assert link.failure == "" and link.pending == 2


class Link(RuleBasedStateMachine):
    """Any sequence of messages, losses, repetitions and restarts on both sides.

    What was ever appended, and what the receiver has stored, is kept as a model. A message is its serial number; its
    number in the spool may differ once the spool has lost messages.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.now = 0.0
        self.serial = 0
        self.stored: list[int] = []  # serial numbers, in the order of their arrival
        self.checkpoint: tuple[int, int, list[int]] = (0, 0, [])
        self.receiver = Receiver()
        self.way: list[Message | Gap] = []
        self.open()

    def open(self) -> None:
        self.spool = Spool(Path(self._folder.name), "run", 20 * (SIZE + 12))
        self.sender = Sender(self.spool, Window(messages=8))

    @rule(count=st.integers(1, 12))
    def append(self, count: int) -> None:
        for _ in range(count):
            self.serial += 1
            self.sender.on_message(content(self.serial))

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.1, 9.0]))
    def send(self, seconds: float) -> None:
        self.now += seconds
        self.way += self.sender.due(self.now)

    @rule(kept=st.lists(st.booleans(), max_size=16), twice=st.booleans())
    def arrive(self, kept: list[bool], twice: bool) -> None:
        """Some of what is on its way arrives, some is lost, some arrives twice."""
        arriving = [each for each, keep in zip(self.way, kept, strict=False) if keep]
        self.way = self.way[len(kept) :]
        for each in arriving * (2 if twice else 1):
            self.take(each)

    def take(self, each: Message | Gap) -> None:
        if isinstance(each, Gap):
            self.receiver.skip(each.first, each.last)
        elif self.receiver.accept(each.number):
            self.stored.append(int.from_bytes(each.data[:4], "little"))

    @rule()
    def receipt(self) -> None:
        self.sender.on_receipt(self.now, self.receiver.received)

    @rule()
    def save(self) -> None:
        self.checkpoint = (self.receiver.received, self.receiver.missing, list(self.stored))

    @rule()
    def restart_receiver(self) -> None:
        received, missing, stored = self.checkpoint
        self.receiver, self.stored, self.way = Receiver(received, missing), list(stored), []

    @rule()
    def restart_sender(self) -> None:
        self.spool.close()
        self.way = []
        self.open()

    @rule()
    def lose_spool(self) -> None:
        self.spool.close()
        for path in Path(self._folder.name).glob("*.spool"):
            path.unlink()
        self.way = []
        self.open()

    @invariant()
    def each_once_and_in_order(self) -> None:
        assert self.stored == sorted(set(self.stored))

    @invariant()
    def nothing_is_received_without_being_stored_or_known_to_be_missing(self) -> None:
        assert self.receiver.received == len(self.stored) + self.receiver.missing

    def teardown(self) -> None:
        """Over a good link, all that the spool still holds arrives."""
        self.receipt()
        for _ in range(100):
            self.now += 10.0
            for each in self.sender.due(self.now):
                self.take(each)
            self.receipt()
        assert self.sender.pending == 0
        held, number = [], 0
        while (found := self.spool.read(number)) is not None:
            held.append(int.from_bytes(found[1][:4], "little"))
            number = found[0] + 1
        assert set(held) <= set(self.stored)
        self.spool.close()
        self._folder.cleanup()


Link.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLink = Link.TestCase
