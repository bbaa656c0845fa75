"""The order of events against timelines written by hand, in milliseconds. No rendering, no PyTorch."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from stories import MS, Story

from franka_reacher_rl.core.base.datatypes import EndReason

LAB: dict[str, Any] = {"interaction": 3.0, "sampling": 5.0, "update": 50.0}
NOISY: dict[str, Any] = {
    "interaction": {"mean_ms": 5.0, "sd_ms": 2.0},
    "update": {"mean_ms": 55.0, "sd_ms": 9.0},
    "policy_transfer": {"samples_ms": [1.0, 80.0, 200.0]},
}


def written(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def test_sync_observes_updates_then_acts_on_the_old_observation() -> None:
    story = Story("sync", LAB, cycle_ms=75.0, seconds=0.225)
    assert story.tell() == written("""
        0 reset 1
        20 observe 0
        20 act 0 v0
        23 command 0
        95 observe 1
        95 update 1 begins
        150 update 1 done
        150 policy 1
        150 act 1 v1
        153 command 1
        170 observe 2
        170 update 2 begins
        225 update 2 done
        225 policy 2
        225 act 2 v2
        228 command 2
        245 observe 3 last
        245 update 3 begins
    """)
    assert story.outcome.record.observation_age == pytest.approx([0.003, 0.058, 0.058])


def test_async_acts_at_once_with_the_newest_finished_policy() -> None:
    story = Story("async", LAB, cycle_ms=40.0, seconds=0.16)
    assert story.tell() == written("""
        0 reset 1
        20 observe 0
        20 act 0 v0
        23 command 0
        60 observe 1
        60 act 1 v0
        60 update 1 begins
        63 command 1
        100 observe 2
        100 act 2 v0
        103 command 2
        115 update 1 done
        115 policy 1
        115 update 2 begins
        140 observe 3
        140 act 3 v1
        143 command 3
        170 update 2 done
        170 policy 2
        170 update 3 begins
        180 observe 4 last
    """)
    assert story.outcome.record.policy_age[3] == pytest.approx(0.028)  # made at 115, out at 143


def test_async_learns_on_during_the_reset_until_its_budget_is_used_up() -> None:
    story = Story("async", LAB, cycle_ms=40.0, seconds=0.16, reset_ms=495)
    story.tell(2)
    done = [line for line in story.lines if "done" in line]
    assert done[:5] == [f"{595 + 55 * i} update {i + 1} done" for i in range(4)] + ["1255 update 5 done"]


def test_sync_too_slow_for_its_cycle_is_late_and_never_in_a_burst() -> None:
    story = Story("sync", {"update": 65.0}, cycle_ms=40.0, seconds=0.24)
    story.tell()
    observed = [line for line in story.lines if "observe" in line]
    # the first command is out at once; then each observation waits for the update in between
    assert observed == ["20 observe 0", "60 observe 1", "125 observe 2", "190 observe 3", "255 observe 4 last"]
    assert story.outcome.record.late_cycles(0.005) == 3
    assert story.outcome.summary.episode_return == 4
    # steps of 40, 65, 65, 65 ms in cycles of 40
    assert story.outcome.summary.coverage_return == pytest.approx(1.0 + 3 * 65 / 40)


def test_a_policy_on_its_way_holds_up_sync_but_not_async() -> None:
    slow = {"update": 10.0, "policy_transfer": 7.0}
    sync = Story("sync", slow).tell()
    assert sync[sync.index("60 observe 1") :][:4] == written("""
        60 observe 1
        60 update 1 begins
        70 update 1 done
        77 policy 1
    """)
    assert "77 act 1 v1" in sync
    story = Story("async", slow).tell()
    assert [line for line in story if "act" in line] == ["20 act 0 v0", "60 act 1 v0", "100 act 2 v1"]


def test_moving_batches_keeps_the_learner_busy() -> None:
    story = Story("async", {"sampling": 5.0, "batch_transfer": 95.0, "update": 50.0}, seconds=0.4)
    story.tell()
    assert [line for line in story.lines if "done" in line] == ["210 update 1 done", "360 update 2 done"]
    summary = story.outcome.summary
    assert summary.learner_batch_transfer == pytest.approx(0.285)  # the third is under way
    assert summary.learner_waiting_for_data == pytest.approx(0.040)  # from the first observation to the first step


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_no_update_before_the_warm_up_nor_beyond_the_budget(wiring: str) -> None:
    story = Story(wiring, {"update": 1.0}, seconds=0.4, warmup=4, per_step=0.5)
    story.tell()
    assert story.agent.stored_steps == 10
    assert story.agent.updates == 3  # half of the six steps after the warm-up


def test_sync_makes_one_update_per_step_and_acts_with_the_newest_policy() -> None:
    story = Story("sync", LAB, cycle_ms=75.0, seconds=0.75)
    story.tell(3)
    assert story.agent.stored_steps == story.agent.updates == 30
    begun = [sum("begins" in line for line in story.lines[:i]) for i, s in enumerate(story.lines) if " act " in s]
    # at an episode's first observation the update after the last step is done long since, in the reset
    assert story.agent.acted_with == begun == list(range(30))[:10] + list(range(10, 30))


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_nobody_acts_on_a_final_observation(wiring: str) -> None:
    story = Story(wiring, {}, warmup=1000)
    story.tell(2)
    assert len(story.agent.acted_with) == 6  # two episodes of three steps
    assert [step.step for step, last in story.agent.seen if last] == [3, 3]


def test_control_cycles_keep_their_grid_and_come_before_an_observation() -> None:
    story = Story("async", {"interaction": 3.3})
    story.tell()
    during = [t // MS for t in story.plant.controls if t > 20 * MS]
    assert during == [30 + 10 * i for i in range(12)], "the last at 140, where the episode ends"


def test_silence_ends_the_episode() -> None:
    story = Story("sync", {"update": 500.0}, action_timeout=0.1, seconds=10.0)
    story.tell()
    assert story.outcome.summary.end_reason == EndReason.NO_ACTION.value
    assert story.outcome.summary.steps == 2


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_a_saved_state_goes_on_as_if_nothing_had_been(wiring: str) -> None:
    whole = Story(wiring, NOISY, seconds=0.4, warmup=3)
    whole.tell(2)
    whole.timeline.reset()
    resumed = Story(wiring, NOISY, seconds=0.4, warmup=3)
    resumed.timeline.load_state(json.loads(json.dumps(whole.timeline.state())), whole.timeline.weights())
    resumed.agent.__dict__.update(copy.deepcopy(vars(whole.agent)))
    before = len(whole.lines)
    assert whole.timeline.run_episode() == resumed.timeline.run_episode()
    assert resumed.lines == whole.lines[before:]


def test_the_same_seed_tells_the_same_story() -> None:
    first, again, other = (Story("async", NOISY, seconds=1.0, seed=seed).tell(2) for seed in (1, 1, 2))
    assert first == again
    assert first != other
