"""The learner node answers requests, publishes policies and resumes."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from full_disk import small_disk

from franka_reacher_rl.core.base.datatypes import Observation, StepId
from franka_reacher_rl.core.base.datatypes import Transition as Row
from franka_reacher_rl.core.link.sender import Gap
from franka_reacher_rl.core.task.summary import LEARNER_PARTS
from franka_reacher_rl.msg import EpisodeSummary, LearnerStatus, Policy, Receipt, Tick, Transition
from franka_reacher_rl.nodes.learner import Learner
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.link.spooled_transitions import gap_msg
from franka_reacher_rl.ros.messages import transition_msg

PARAMETERS = [
    argument
    for value in (
        "image.width:=64",
        "image.height:=36",
        "network.channels:=[4, 4, 4, 4]",
        "network.hidden:=[8, 8]",
        "learner.batch_size:=4",
        "learner.warmup_steps:=3",
        "learner.replay_capacity:=200",
        "learner.threads:=1",
        "learner.nice:=0",
        "learner.device:=cpu",
    )
    for argument in ("-p", value)
]


class Around:
    """Plays actor and environment."""

    def __init__(self, probe, run_id: str = "") -> None:
        self.probe, self.run_id = probe, run_id
        self._rows = probe.node.create_publisher(Transition, "transition", qos.HISTORY)
        self._requests = probe.node.create_publisher(Tick, "update_request", qos.EVENT)
        self.answers = probe.listen(Tick, "/learner/update_done", qos.EVENT)
        self.policies = probe.listen(Policy, "/learner/policy", qos.LATCHED)
        self.statuses = probe.listen(LearnerStatus, "/learner/status", qos.EVENT)
        self.learner = probe.add(Learner())
        names = (self._rows, self._requests)
        probe.until(lambda: all(p.get_subscription_count() for p in names) and self.policies)

    def spooled(self, number: int, episode: int, step: int, last: bool = False) -> None:
        """Publish a transition as an uplink does."""
        seen = Observation(
            StepId(episode, step),
            np.zeros((36, 64, 3), np.uint8),
            np.zeros(21, np.float32),
            1.0,
            step == 0,
            False,
            last,
        )
        message = transition_msg(Row(seen, np.zeros(7, np.float32)))
        message.number, message.run_id = number, self.run_id
        self._rows.publish(message)

    def step(self, episode: int, step: int) -> Tick:
        """Publish a transition and request an answer to it."""
        count = len(self.answers)
        self.send(episode, step)
        self._requests.publish(Tick(run_id=self.run_id, episode=episode, step=step))
        self.probe.until(lambda: any((a.episode, a.step) == (episode, step) for a in self.answers[count:]))
        return self.answers[-1]

    def send(self, episode: int, step: int) -> None:
        """Publish a transition."""
        frame = np.full((36, 64, 3), step, np.uint8)
        seen = Observation(StepId(episode, step), frame, np.zeros(21, np.float32), 1.0, step == 0, False, False)
        message = transition_msg(Row(seen, np.zeros(7, np.float32)))
        message.run_id = self.run_id
        self._rows.publish(message)


def test_each_request_is_answered_after_an_update_once_warmed_up(probe_after, tmp_path: Path) -> None:
    around = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path}"))
    versions = [around.step(1, step).policy_version for step in range(8)]
    assert versions == sorted(versions) and versions[2] == 0 < versions[-1]
    around.probe.until(lambda: around.policies[-1].version >= versions[-1])
    around.probe.until(lambda: around.statuses and around.statuses[-1].updates == versions[-1])
    status = around.statuses[-1]
    assert status.stored_steps == 7 and status.replay_size == 8 and status.temperature > 0.0
    shares = [getattr(status, part) for part in LEARNER_PARTS if part != "batch_transfer"]
    assert all(0.0 <= share <= 1.05 for share in shares)


def test_a_subscriber_hears_of_the_learner_before_the_first_period_ends(probe_after, monkeypatch) -> None:
    monkeypatch.setattr("franka_reacher_rl.nodes.learner._STATUS_PERIOD", 1e3)
    around = Around(probe_after(*PARAMETERS))
    around.probe.until(lambda: around.statuses)
    assert around.statuses[0].stored_steps == 0


def test_a_resumed_learner_continues(probe_after, tmp_path: Path) -> None:
    arguments = (*PARAMETERS, "-p", f"run_dir:={tmp_path}")
    first = Around(probe_after(*arguments))
    version = [first.step(1, step) for step in range(8)][-1].policy_version
    first.probe.close()
    rclpy.try_shutdown()
    assert (tmp_path / "policy.safetensors").is_file()
    resumed = Around(probe_after(*arguments, "-p", "resume:=true"))
    resumed.probe.until(lambda: resumed.statuses)
    assert resumed.statuses[0].stored_steps == 7 and resumed.statuses[0].policy_version == version > 0


def test_a_learner_that_is_started_again_takes_up_its_run(probe_after, tmp_path: Path) -> None:
    arguments = (*PARAMETERS, "-p", f"run_dir:={tmp_path}", "-p", "run_id:=mine")
    first = Around(probe_after(*arguments), "mine")
    for step in range(8):
        first.step(1, step)
    first.probe.until(lambda: (tmp_path / "learner.json").exists())
    saved = first.learner._trainer.updates
    first.probe.close()
    rclpy.try_shutdown()
    second = Around(probe_after(*arguments), "mine")
    assert second.learner._trainer.updates == saved > 0
    second.send(1, 7)  # is stored already
    assert second.step(1, 8).policy_version >= saved
    assert second.learner.refusals.last.endswith("it is a repetition")
    assert second.learner._trainer.stored_steps == 8


def test_a_learner_does_not_take_up_another_run(probe_after, tmp_path: Path) -> None:
    arguments = (*PARAMETERS, "-p", f"run_dir:={tmp_path}", "-p")
    first = Around(probe_after(*arguments, "run_id:=theirs"), "theirs")
    first.step(1, 0)
    first.probe.close()
    rclpy.try_shutdown()
    probe_after(*arguments, "run_id:=mine")
    with pytest.raises(ValueError, match="checkpoints of another run"):
        Learner()


def test_a_run_without_a_readable_checkpoint_is_not_resumed(ros, tmp_path: Path) -> None:
    """Learning on from random weights would look like a resumed run."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "checkpoint-0000000007-000000000012.safetensors").write_bytes(b"torn")
    ros(*PARAMETERS, "-p", f"run_dir:={tmp_path}", "-p", "resume:=true")
    with pytest.raises(ValueError, match=r"no checkpoint that can be read, .* start a new run .*resume_weights:="):
        Learner()


def test_diagnostics_name_what_the_learner_lacks(probe_after) -> None:
    around = Around(probe_after(*PARAMETERS))
    assert around.learner.diagnose()[:2] == (DiagnosticStatus.OK, "0 of 3 steps of the warm-up stored")
    around.learner._status = LearnerStatus(starved_of="the learner lacks transitions")
    assert around.learner.diagnose()[:2] == (DiagnosticStatus.WARN, "the learner lacks transitions")


def test_after_an_update_that_is_not_finite_the_last_finite_state_stays(probe_after, tmp_path: Path) -> None:
    around = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path}"))
    for step in range(8):
        around.step(1, step)
    learner = around.learner
    around.probe.until(lambda: learner._trainer.saved_updates > 0)
    with torch.no_grad():
        next(learner._trainer.sac.critic.parameters()).fill_(float("nan"))
    versions = [around.step(1, step).policy_version for step in range(8, 14)]
    assert versions == [versions[0]] * 6 and versions[0] > 0
    around.probe.until(lambda: around.statuses and around.statuses[-1].failure)
    status = around.statuses[-1]
    assert "updates, policies and checkpoints have stopped, because critic_loss is nan" in status.failure
    assert f"the last finite checkpoint is of update {learner._trainer.saved_updates}" in status.failure
    assert f"resume:={tmp_path}" in status.failure and status.updates == versions[0] and not status.starved_of
    assert learner.diagnose()[:2] == (DiagnosticStatus.ERROR, status.failure)
    around.probe.until(lambda: around.policies[-1].version == versions[0])
    announced = around.policies[-1]
    around.probe.close()
    saved = (tmp_path / "policy.safetensors").read_bytes()
    assert zlib.crc32(saved) == announced.crc, "the last finite policy"
    rclpy.try_shutdown()
    resumed = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path}", "-p", "resume:=true"))
    assert resumed.step(1, 0).policy_version <= versions[0]
    assert resumed.learner._trainer.check_update()


def test_a_new_run_starts_from_the_networks_of_another_one(probe_after, tmp_path: Path) -> None:
    first = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path / 'first'}"))
    for step in range(8):
        first.step(1, step)
    first.probe.close()
    rclpy.try_shutdown()
    policy = (tmp_path / "first" / "policy.safetensors").read_bytes()
    for given in ("first", "first/policy.safetensors"):
        arguments = ("-p", f"run_dir:={tmp_path / 'second'}", "-p", f"resume_weights:={tmp_path / given}")
        second = Around(probe_after(*PARAMETERS, *arguments))
        assert (second.policies[0].version, second.policies[0].crc) == (0, zlib.crc32(policy))
        assert second.learner._trainer.stored_steps == 0
        second.learner._run_dir = None  # leaves no checkpoint behind
        second.probe.close()
        rclpy.try_shutdown()
        shutil.rmtree(tmp_path / "second", ignore_errors=True)


def test_a_new_run_starts_with_the_replay_of_another_one(probe_after, tmp_path: Path) -> None:
    first = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path / 'first'}"))
    for step in range(8):
        first.step(1, step)
    first.probe.close()
    rclpy.try_shutdown()
    arguments = ("-p", "run_id:=b", "-p", f"run_dir:={tmp_path / 'second'}", "-p", f"seed_replay:={tmp_path / 'first'}")
    second = Around(probe_after(*PARAMETERS, *arguments), "b")
    trainer = second.learner._trainer
    assert (len(trainer.replay), trainer.stored_steps, trainer.updates) == (8, 3, 0), (
        "no update is due for earlier rows"
    )
    second.step(1, 0)  # its number is one of the earlier run
    second.step(1, 1)
    assert (len(trainer.replay), trainer.stored_steps, trainer.updates) == (10, 4, 1), "there is no warm-up"
    second.probe.close()
    rclpy.try_shutdown()
    again = Around(probe_after(*PARAMETERS, *arguments), "b")  # started again in the same run
    assert (len(again.learner._trainer.replay), again.learner._trainer.stored_steps) == (10, 4)


def test_a_replay_of_another_image_size_is_refused(probe_after, ros, tmp_path: Path) -> None:
    first = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path / 'first'}"))
    first.step(1, 0)
    first.probe.close()
    rclpy.try_shutdown()
    changed = [argument.replace("height:=36", "height:=40") for argument in PARAMETERS]
    ros(*changed, "-p", f"seed_replay:={tmp_path / 'first'}")
    with pytest.raises(ValueError, match=r"frame is \[3, 36, 64\] .* and \[3, 40, 64\] here"):
        Learner()


def test_networks_of_another_size_are_refused(probe_after, ros, tmp_path: Path) -> None:
    first = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path / 'first'}"))
    first.probe.close()
    rclpy.try_shutdown()
    changed = [argument.replace("[8, 8]", "[16, 8]") for argument in PARAMETERS]
    ros(*changed, "-p", f"resume_weights:={tmp_path / 'first'}")
    with pytest.raises(ValueError, match=r"another network.* Give the setting and the robot of that run"):
        Learner()


def test_a_policy_that_cannot_be_saved_is_reported(
    probe_after, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path, "1m") as disk:
        around = Around(probe_after(*PARAMETERS, "-p", f"run_dir:={tmp_path / 'run'}"))
        around.probe.until(lambda: around.learner._trainer.saved_updates == 0)
        disk.fill()
        for step in range(8):
            around.step(1, step)
        around.probe.until(lambda: around.learner._trainer.save_error)
        level, message, _ = around.learner.diagnose()
        assert level == DiagnosticStatus.WARN and "No space left on device" in message
        around.probe.close()
        assert "cannot be saved as" in capfd.readouterr().err
        assert not list((tmp_path / "run").rglob("*.tmp")) and not (tmp_path / "run" / "policy.safetensors").exists()


def test_spooled_transitions_are_confirmed_and_a_restarted_learner_confirms_what_its_checkpoint_holds(
    probe_after, tmp_path: Path
) -> None:
    arguments = (*PARAMETERS, "-p", f"run_dir:={tmp_path}")
    around = Around(probe_after(*arguments))
    receipts = around.probe.listen(Receipt, "/learner/receipt", qos.LATCHED)
    around.probe.until(lambda: receipts)
    assert receipts[0].number == 0
    for number in (1, 2, 2, 4, 3, 4):
        around.spooled(number, 1, number - 1)
    around.probe.until(lambda: receipts[-1].number == 4)
    around._rows.publish(gap_msg(Gap(5, 7), ""))
    around.spooled(8, 1, 7)
    around.probe.until(lambda: receipts[-1].number == 8)
    assert around.learner._trainer.stored_steps == 3 and len(around.learner._trainer.replay) == 5
    assert around.learner.diagnose()[2]["transitions_missing"] == 3


def test_a_checkpoint_keeps_the_number_of_its_run_only(probe_after, tmp_path: Path) -> None:
    arguments = (*PARAMETERS, "-p", f"run_dir:={tmp_path}")
    first = Around(probe_after(*arguments, "-p", "run_id:=monday"), "monday")
    for number in range(1, 6):
        first.spooled(number, 1, number - 1)
    first.probe.until(lambda: first.learner._thread.received == 5)
    first.probe.close()
    rclpy.try_shutdown()
    again = Around(probe_after(*arguments, "-p", "run_id:=monday"), "monday")
    receipts = again.probe.listen(Receipt, "/learner/receipt", qos.LATCHED)
    again.probe.until(lambda: receipts)
    assert receipts[0].number == 5 and receipts[0].run_id == "monday"
    again.probe.close()
    rclpy.try_shutdown()
    resumed = Around(probe_after(*arguments, "-p", "run_id:=tuesday", "-p", "resume:=true"), "tuesday")
    assert resumed.learner._thread.received == 0


def test_policies_are_sent_inline_while_someone_listens_at_a_capped_rate(probe_after) -> None:
    around = Around(probe_after(*PARAMETERS, "-p", "policy_period:=3600.0"))
    for step in range(6):
        around.step(1, step)
    inline = around.probe.listen(Policy, "/learner/policy_inline", qos.LATCHED)
    around.probe.until(lambda: inline)
    newest = around.policies[-1]
    assert inline[-1].version == newest.version and not newest.weights and not inline[-1].shared_memory
    assert len(inline[-1].weights) == inline[-1].size == newest.size and inline[-1].crc == newest.crc
    assert inline[-1].stamp == newest.stamp
    sent = len(inline)
    for step in range(6, 9):
        around.step(1, step)
    around.probe.until(lambda: around.policies[-1].version > newest.version)
    assert len(inline) == sent, "the next one is due in an hour"
    late = around.probe.listen(Policy, "/learner/policy_inline", qos.LATCHED)
    around.probe.until(lambda: late and late[-1].version == around.policies[-1].version)


def test_the_learner_of_a_part_ends_once_the_last_episode_is_stored(probe_after) -> None:
    around = Around(probe_after(*PARAMETERS, "-p", "end_with_run:=true"))
    summaries = around.probe.node.create_publisher(EpisodeSummary, "/episode", qos.SUMMARIES)
    around.probe.until(summaries.get_subscription_count)
    summaries.publish(EpisodeSummary(episode=1))
    summaries.publish(EpisodeSummary(episode=2, last=True))
    around.probe.until(lambda: around.learner._last_episode == 2)
    around.spooled(1, 2, 0)
    around.probe.until(lambda: around.learner._thread.received == 1)
    assert around.learner.exit_code is None, "the rest of the episode is on its way"
    around.spooled(2, 2, 1, last=True)
    around.probe.until(lambda: around.learner.exit_code == 0)
