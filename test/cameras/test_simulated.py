"""Which joint states the simulated camera waits for."""

from __future__ import annotations

import numpy as np

from franka_reacher_rl.cameras.simulated import StateFeed

Q, TARGET = np.zeros(7), np.zeros(3)


def test_only_states_that_would_be_rendered_are_awaited() -> None:
    feed = StateFeed()
    feed.set_target(TARGET)
    assert feed.awaits(0), "nobody has waited yet"
    feed.set_state(Q, 10)
    assert feed.wait(5) is not None
    assert not feed.awaits(4) and feed.awaits(5)


def test_a_wait_ends_without_a_state_that_is_new_enough() -> None:
    feed = StateFeed()
    feed.set_target(TARGET)
    feed.set_state(Q, 10)
    assert feed.wait(11) is None and feed.awaits(11) and not feed.awaits(10)
