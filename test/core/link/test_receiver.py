"""The receiver accepts each message once and in order."""

from __future__ import annotations

from franka_reacher_rl.core.link.receiver import Receiver


def test_only_the_next_message_is_accepted() -> None:
    receiver = Receiver()
    assert [receiver.accept(n) for n in (1, 1, 3, 2, 2, 3)] == [True, False, False, True, False, True]
    assert receiver.received == 3 and receiver.refused == 3 and receiver.missing == 0


def test_a_receiver_continues_after_its_checkpoint() -> None:
    receiver = Receiver(received=7, missing=2)
    assert not receiver.accept(7) and receiver.accept(8) and receiver.missing == 2


def test_a_gap_is_accepted_where_it_is_the_next_thing() -> None:
    receiver = Receiver(received=3)
    assert not receiver.skip(5, 9), "message 4 may still come"
    assert not receiver.skip(1, 3), "these were received"
    assert receiver.skip(4, 9) and receiver.received == 9 and receiver.missing == 6
    assert not receiver.skip(4, 9) and receiver.missing == 6
    assert receiver.skip(8, 11) and receiver.missing == 8, "8 and 9 are missing already"
