"""The sync graph, for real: lockstep."""

import unittest
from itertools import pairwise

import launch_testing
import pytest
from graphs import Watcher, assert_ended_well, included, setting, stamp

from franka_reacher_rl.msg import Action, EpisodeSummary, Tick
from franka_reacher_rl.ros import qos


@pytest.mark.launch_test
def generate_test_description():
    return included("sync", setting=setting("quick"), episodes="3", seed="1", run_dir="", device="cpu")


class TestLockstep(unittest.TestCase):
    def test_one_update_between_two_actions_and_the_newest_policy(self, proc_info):
        watcher = Watcher(
            (Action, "/actor/action", qos.EVENT),
            (Tick, "/learner/update_done", qos.EVENT),
            (EpisodeSummary, "/environment/episode", qos.EVENT),
        )
        actions = watcher.heard["/actor/action"]
        done = watcher.heard["/learner/update_done"]
        episodes = watcher.heard["/environment/episode"]
        try:
            watcher.until(lambda: episodes and episodes[-1].last, 60.0)
        finally:
            watcher.close()
        ticks = {(t.episode, t.step): t for t in done}
        # The watcher may discover the learner after its first answers; they are before the warm-up's end.
        heard = [a for a in actions if (a.episode, a.step) in ticks]
        learning = [a for a in heard if ticks[a.episode, a.step].policy_version > 2]
        assert len(learning) > 15, "too few actions after the warm-up"  # a busy computer makes cycles late, and few
        for before, after in pairwise(learning):
            if before.episode != after.episode:
                continue
            between = [t for t in done if stamp(before) < stamp(t) <= stamp(after)]
            assert after.step == before.step + 1
            assert len(between) == 1, f"step {after.step}: {len(between)} answers between two actions"
            assert after.policy_version == before.policy_version + 1, "not one update between two actions"
            assert after.policy_version == between[0].policy_version, "not the newest policy"


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_every_node_ends_well(self, proc_info):
        assert_ended_well(proc_info)

    def test_no_traceback(self, proc_output):
        text = "".join(line.text.decode() for line in proc_output)
        assert "Traceback" not in text
