"""Where the learner's time goes between two reports."""

from __future__ import annotations

import math

import pytest

from franka_reacher_rl.core.loop.time_shares import TimeShares
from franka_reacher_rl.core.task.summary import LEARNER_PARTS


def test_shares_are_of_the_time_since_the_last_report() -> None:
    now = 0
    shares = TimeShares({"update": 7}, lambda: now)
    now = 100
    seconds, found = shares.next({"update": 57, "sampling": 10})
    assert seconds == pytest.approx(1e-7)
    assert math.isnan(found.pop("batch_transfer")), "not measured on its own: unknown, not 0"
    measured = [part for part in LEARNER_PARTS if part != "batch_transfer"]
    assert found == dict.fromkeys(measured, 0.0) | {"update": 0.5, "sampling": 0.1}
    now = 300
    assert shares.next({"update": 257, "sampling": 10})[1]["update"] == 1.0


def test_starvation_names_what_is_missing() -> None:
    even = dict.fromkeys(LEARNER_PARTS, 0.1)
    assert TimeShares.starved_of(even) == ""
    assert TimeShares.starved_of(even | {"waiting_for_budget": 0.9}) == "", "a budget is not a lack"
    sentence = TimeShares.starved_of(even | {"waiting_for_data": 0.4})
    assert sentence.startswith("the learner lacks transitions") and "40%" in sentence
