"""The actor against a scripted environment and learner: when it acts, with which policy, and what it stores."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Header

from franka_reacher_rl.core.base.datatypes import Observation, StepId
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.networks import network_digest
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.msg import Action, Policy, Tick, Transition
from franka_reacher_rl.msg import Observation as ObservationMsg
from franka_reacher_rl.nodes.actor import Actor
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_ns
from franka_reacher_rl.ros.messages import observation_msg
from franka_reacher_rl.ros.standard_messages import bytes_msg, image_msg

IMAGE = ImageSettings(width=64, height=36)
NETWORK = NetworkSettings(channels=[8, 8], strides=[2, 2], hidden=[32, 32])
PARAMETERS = (
    *("-p", "image.width:=64", "-p", "image.height:=36", "-p", "network.channels:=[8, 8]"),
    *("-p", "network.strides:=[2, 2]", "-p", "network.hidden:=[32, 32]"),
)


class Around:
    """Environment and learner, by hand."""

    def __init__(self, probe, inline: bool) -> None:
        node = probe.node
        self.probe, self.inline = probe, inline
        self.sac = SAC(IMAGE, NETWORK, SACSettings(), LearnerSettings(device="cpu"), 7, seed=0)
        self.writer = PolicyWriter("", network_digest(IMAGE, NETWORK, 7))
        self._observations = node.create_publisher(ObservationMsg, "observation", qos.RELIABLE)
        self._ticks = node.create_publisher(Tick, "tick", qos.EVENT)
        self._policies = node.create_publisher(Policy, "policy", qos.LATCHED)
        self.actions = probe.listen(Action, "/actor/action", qos.EVENT)
        self.commands = probe.listen(JointState, "/actor/velocity_command", qos.RELIABLE)
        self.rows = probe.listen(Transition, "/actor/transition", qos.HISTORY)
        self.ready = probe.listen(Bool, "/actor/ready", qos.LATCHED)

    def policy(self, version: int) -> None:
        weights = FlatWeights(self.sac.policy).bytes()
        announce = self.writer.inline if self.inline else self.writer.publish
        message = Policy(**vars(announce(weights, version)))
        message.stamp = self.probe.node.get_clock().now().to_msg()
        if self.inline:
            message.weights = bytes_msg(bytes(weights))
        self._policies.publish(message)

    def observe(self, episode: int, step: int, last: bool = False) -> None:
        observation = Observation(
            id=StepId(episode, step),
            frame=np.full((36, 64, 3), 10 * step, np.uint8),
            proprioception=np.zeros(21, np.float32),
            reward=float(step),
            first=step == 0,
            terminated=False,
            truncated=last,
            taken=steady_ns(),
        )
        image = image_msg(observation.frame, Header(stamp=stamp_from_steady(observation.taken - 50_000_000)))
        self._observations.publish(observation_msg(observation, image))

    def tick(self, episode: int, step: int, version: int = 0) -> None:
        self._ticks.publish(Tick(episode=episode, step=step, policy_version=version))


@pytest.fixture(params=[False, True], ids=["shared memory", "inline"])
def around(probe_after, request):
    probe = probe_after(*PARAMETERS)
    around = Around(probe, request.param)
    probe.add(Actor())
    around.policy(0)
    probe.until(lambda: around.ready and around.ready[-1].data)
    yield around
    around.writer.close()


def test_it_acts_when_it_holds_the_tick_and_a_policy_new_enough(around):
    until = around.probe.until
    around.observe(1, 0)
    until(lambda: len(around.rows) == 1)
    assert not around.actions, "no tick yet"
    around.tick(1, 0, version=2)
    around.policy(1)
    around.policy(2)
    until(lambda: around.actions and around.commands)
    action, command = around.actions[0], around.commands[0]
    assert (action.episode, action.step, action.policy_version, action.policy_age_steps) == (1, 0, 2, 0)
    assert np.allclose(command.velocity, 0.2 * np.array(action.action)) and command.name[0] == "panda_joint1"
    assert 0.05 < action.observation_age < 1.0 and action.response_time < action.observation_age


def test_rows_carry_the_action_that_led_to_them(around):
    until = around.probe.until
    for step in range(3):
        around.tick(1, step)
        around.observe(1, step)
        until(lambda s=step: len(around.actions) == s + 1 and len(around.rows) == s + 1)
    around.observe(1, 3, last=True)
    around.tick(1, 3)
    until(lambda: len(around.rows) == 4)
    around.observe(2, 0)
    until(lambda: len(around.rows) == 5)
    assert len(around.actions) == 3, "nobody acts on a final observation"
    first, *rest, final, again = around.rows
    assert first.first and not any(first.action) and not any(again.action) and again.first
    for row, action in zip([*rest, final], around.actions, strict=True):
        assert list(row.action) == list(action.action) and row.reward == float(row.step)
        assert row.observation_age == action.observation_age
    assert final.truncated and not final.terminated


def test_a_policy_that_is_not_finite_is_refused_and_the_actor_goes_on(around, capfd):
    until = around.probe.until
    weight = next(around.sac.policy.parameters())
    kept = weight.detach().clone()
    weight.data.fill_(float("nan"))
    around.policy(1)
    until(lambda: "policy 1 is refused" in capfd.readouterr().err)
    weight.data.copy_(kept)
    around.policy(2)
    around.observe(1, 0)
    around.tick(1, 0, version=2)
    until(lambda: around.actions)
    assert around.actions[0].policy_version == 2 and np.isfinite(around.actions[0].action).all()


def test_a_policy_of_another_network_is_refused(probe_after):
    probe = probe_after(*PARAMETERS, "-p", "network.hidden:=[16, 16]")
    around = Around(probe, inline=False)
    probe.add(Actor())
    around.policy(0)
    probe.until(lambda: around.ready)
    end = probe.node.get_clock().now().nanoseconds + 300_000_000
    probe.until(lambda: probe.node.get_clock().now().nanoseconds > end)
    assert not around.ready[-1].data
    around.writer.close()


def test_frames_of_another_size_are_named(around):
    actor = around.probe._nodes[0]
    image = image_msg(np.zeros((90, 160, 3), np.uint8), Header())
    observation = ObservationMsg(image=image, proprioception=np.zeros(21, np.float32))
    with pytest.raises(ValueError, match=r"frame is uint8\(90, 160, 3\), expected uint8\(36, 64, 3\)"):
        actor._on_observation(observation)


def test_a_missing_or_old_policy_is_reported(probe_after):
    probe = probe_after(*PARAMETERS)
    around, actor = Around(probe, inline=True), probe.add(Actor())
    assert actor.diagnose()[:2] == (DiagnosticStatus.WARN, "waiting for a policy")
    around.policy(0)
    probe.until(lambda: actor.diagnose()[0] == DiagnosticStatus.OK)
    actor._policy_age = 12.0
    assert actor.diagnose()[0] == DiagnosticStatus.OK, "the learner has not updated yet"
    around.policy(1)
    probe.until(lambda: actor.diagnose()[0] == DiagnosticStatus.WARN)
    assert "the policy is 12 s old" in actor.diagnose()[1]
    around.writer.close()


@pytest.mark.parametrize("reason", ["another host", "another /dev/shm"])
def test_policies_out_of_reach_are_received_inline(probe_after, reason, capfd):
    probe = probe_after(*PARAMETERS)
    around = Around(probe, inline=True)
    inline = probe.node.create_publisher(Policy, "policy_inline", qos.LATCHED)
    probe.add(Actor())
    weights = FlatWeights(around.sac.policy).bytes()

    def announce(version):
        message = Policy(**vars(around.writer.publish(weights, version)))
        message.stamp = probe.node.get_clock().now().to_msg()
        return message

    beyond = announce(3)
    if reason == "another host":
        beyond.host = "gpu"
    else:
        beyond.shared_memory = "/dev/shm/franka_reacher_rl-policy-1-00000000"
    around._policies.publish(beyond)
    probe.until(inline.get_subscription_count)
    assert "policies are received inline" in capfd.readouterr().err
    with_weights = Policy(**vars(around.writer.inline(weights, 3)), weights=bytes_msg(bytes(weights)))
    inline.publish(with_weights)
    probe.until(lambda: around.ready and around.ready[-1].data)
    around.observe(1, 0)
    around.tick(1, 0, version=3)
    probe.until(lambda: around.actions)
    assert around.actions[0].policy_version == 3
    around._policies.publish(announce(4))  # by shared memory
    probe.until(lambda: not inline.get_subscription_count())
    around.observe(1, 1)
    around.tick(1, 1, version=4)
    probe.until(lambda: len(around.actions) == 2)
    around.writer.close()
