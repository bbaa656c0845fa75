"""The async graph, for real: actions keep their cycle whatever the learner does."""

import unittest
from itertools import pairwise

import launch_testing
import numpy as np
import pytest
from graphs import Watcher, assert_ended_well, included, setting, stamp

from franka_reacher_rl.msg import Action, EpisodeSummary, LearnerStatus
from franka_reacher_rl.ros import qos


@pytest.mark.launch_test
def generate_test_description():
    return included("async", setting=setting("slow_learner"), episodes="4", seed="1", run_dir="", device="cpu")


class TestDecoupled(unittest.TestCase):
    def test_actions_keep_their_cycle_while_updates_take_half_a_second(self):
        watcher = Watcher(
            (Action, "/actor/action", qos.EVENT),
            (LearnerStatus, "/learner/status", qos.EVENT),
            (EpisodeSummary, "/environment/episode", qos.EVENT),
        )
        actions = watcher.heard["/actor/action"]
        statuses = watcher.heard["/learner/status"]
        episodes = watcher.heard["/environment/episode"]
        try:
            watcher.until(lambda: episodes and episodes[-1].last, 60.0)
        finally:
            watcher.close()
        assert statuses[-1].updates >= 4, "the learner never learnt"
        assert max(s.updates_per_s for s in statuses) < 4.0, "updates did not take half a second"
        gaps = [stamp(b) - stamp(a) for a, b in pairwise(actions) if b.episode == a.episode and b.policy_version > 1]
        assert len(gaps) > 80
        assert abs(float(np.median(gaps)) - 0.04) < 0.002
        assert np.quantile(gaps, 0.98) < 0.1, "actions waited for the learner, whose updates take 0.5 s"
        # One pause of a busy computer may cost an episode some steps; waiting for the learner would leave it five.
        assert np.median([e.steps for e in episodes]) >= 48, "episodes lost steps"
        assert all(e.steps > 25 for e in episodes), "an episode lost half its steps"


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_every_node_ends_well(self, proc_info):
        assert_ended_well(proc_info)

    def test_no_traceback(self, proc_output):
        text = "".join(line.text.decode() for line in proc_output)
        assert "Traceback" not in text
