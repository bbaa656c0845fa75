"""Time goes to the part that is under way, also across the end of a period."""

import pytest

from franka_reacher_rl.core.learning.stopwatch import TimeBook


def test_a_part_across_two_periods_counts_in_both():
    now = [0.0]
    book = TimeBook(lambda: now[0])
    with book.part("waiting"):
        now[0] = 1.0
    with book.part("update"):
        now[0] = 4.0
        assert book.close() == (4.0, {"waiting": 0.25, "update": 0.75})
        now[0] = 5.0
    now[0] = 6.0
    assert book.close() == (2.0, {"update": 0.5})
    assert book.close()[1] == {}


def test_a_part_that_fails_is_accounted_too():
    now = [0.0]
    book = TimeBook(lambda: now[0])
    with pytest.raises(RuntimeError), book.part("update"):
        now[0] = 2.0
        raise RuntimeError
    now[0] = 4.0
    assert book.close() == (4.0, {"update": 0.5})
