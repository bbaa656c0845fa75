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


BUSY = dict.fromkeys(LEARNER_PARTS, 0.1) | {"waiting_for_budget": 0.0, "waiting_for_request": 0.0}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("waiting_for_data", "waits for transitions: see response_time"),
        ("sampling", "waits for batches: set learner.prefetch"),
        ("publishing", "check the shared memory"),
    ],
)
def test_starvation_names_what_is_missing_and_what_to_do(part: str, words: str) -> None:
    sentence = TimeShares.starved_of(BUSY | {part: 0.4})
    assert sentence.startswith("for 40% of the time, the learner ") and words in sentence


def test_a_busy_learner_is_not_starved() -> None:
    assert TimeShares.starved_of(BUSY | {"update": 0.9}) == ""


@pytest.mark.parametrize("idle", ["waiting_for_budget", "waiting_for_request"])
@pytest.mark.parametrize("part", ["waiting_for_data", "sampling"])
def test_a_learner_with_time_to_spare_is_not_starved(part: str, idle: str) -> None:
    assert TimeShares.starved_of(BUSY | {part: 0.24, idle: 0.3}) == ""
