"""The environment node against a scripted camera, robot and actor."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point
from probe import Probe
from rclpy.action import ActionServer, CancelResponse
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, Header
from std_srvs.srv import Trigger

from franka_reacher_rl.action import MoveTo
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.base.seeding import reset_rng
from franka_reacher_rl.core.loop.events import Phase, Request
from franka_reacher_rl.core.task.reset import MoveTo as MoveToStep
from franka_reacher_rl.core.task.reset import PlaceTarget as PlaceTargetStep
from franka_reacher_rl.core.task.reset import reset_steps
from franka_reacher_rl.msg import (
    Action,
    EpisodeSummary,
    LearnerStatus,
    Observation,
    Reward,
    RobotState,
    RobotStatus,
    Tick,
)
from franka_reacher_rl.nodes import environment
from franka_reacher_rl.nodes.environment import Environment
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_ns
from franka_reacher_rl.ros.standard_messages import floats_msg, image_msg, time_from_msg, time_msg
from franka_reacher_rl.srv import PlaceTarget

ROBOT = Robot.load("panda_sim")
AGE = 0.03  # s, of every frame when it is published


class World:
    """Everything around the environment, answering at once."""

    def __init__(self, probe, move_to: str = "move_to") -> None:
        self.probe, node = probe, probe.node
        self.acting, self.publishing, self.mode = True, True, RobotStatus.READY
        self.present = True  # whether the actor says that it is ready
        self.run_id = ""  # of the actions
        self.moves: list[list[float]] = []
        self.targets: list[Point] = []
        self.stops = 0
        self.reward = 2.0
        self.moving, self.canceled = True, 0
        self._held = []
        self.captured: list[int] = []
        self._images = node.create_publisher(Image, "image", qos.NEWEST)
        self._rewards = node.create_publisher(Reward, "reward", qos.NEWEST)
        self._states = node.create_publisher(RobotState, "robot_state", qos.RELIABLE)
        self._status = node.create_publisher(RobotStatus, "robot_status", qos.LATCHED)
        self._ready = node.create_publisher(Bool, "actor_ready", qos.LATCHED)
        self._actions = node.create_publisher(Action, "action", qos.EVENT)
        self._server = ActionServer(
            node,
            MoveTo,
            move_to,
            self._arrive,
            handle_accepted_callback=self._on_goal,
            cancel_callback=self._on_cancel,
        )
        node.create_service(PlaceTarget, "place_target", self._place_target)
        node.create_service(Trigger, "finish", self._stop)
        self.observations: list[Observation] = []
        node.create_subscription(Observation, "environment/observation", self._on_observation, qos.RELIABLE)
        self.ticks = probe.listen(Tick, "environment/cycle", qos.EVENT)
        self.episodes = probe.listen(EpisodeSummary, "environment/episode", qos.EVENT)
        self.set_mode(RobotStatus.READY)
        node.create_timer(0.2, lambda: self._ready.publish(Bool(data=self.present)))
        node.create_timer(0.005, self._publish)

    def set_mode(self, mode: str, *, requested: bool = False) -> None:
        fault = "" if mode == RobotStatus.READY else "tripped"
        self._status.publish(RobotStatus(mode=mode, fault=fault, stop_requested=requested))

    def _now(self) -> float:
        return self.probe.node.get_clock().now().nanoseconds * 1e-9

    def _publish(self) -> None:
        if not self.publishing:
            return
        captured = self._now() - AGE
        header = Header(stamp=time_msg(captured))
        self.captured.append(stamp_ns(header.stamp))
        self._rewards.publish(Reward(header=header, reward=self.reward))
        self._images.publish(image_msg(np.full((36, 64, 3), 70, np.uint8), header))
        state = RobotState(header=Header(stamp=time_msg(self._now())), joint_names=ROBOT.joints)
        for i, name in enumerate(("q", "dq", "dq_cmd")):
            setattr(state, name, floats_msg(np.full(7, float(i)), "d"))
        self._states.publish(state)

    def _on_goal(self, handle):
        self.moves.append(list(handle.request.position))
        if self.moving:
            handle.execute()
        else:
            self._held.append(handle)

    def _arrive(self, handle):
        handle.succeed()
        return MoveTo.Result(success=True)

    def _on_cancel(self, handle):
        self.canceled += 1
        return CancelResponse.ACCEPT

    def _place_target(self, request, response):
        self.targets.append(request.position)
        response.success = True
        return response

    def _stop(self, request, response):
        self.stops += 1
        response.success = True
        return response

    def _on_observation(self, message: Observation) -> None:
        self.observations.append(message)
        if self.acting and not message.truncated:
            self._actions.publish(
                Action(
                    run_id=self.run_id,
                    episode=message.episode,
                    step=message.step,
                    observation_age=0.02,
                    policy_version=3,
                )
            )


def robot_file(tmp_path, **reset) -> str:
    """Write the file of a robot with other settings of its reset, and return its path."""
    robot = yaml.safe_load((config_dir() / "robots" / "panda_sim.yaml").read_text())
    robot["reset"].update(reset)
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(robot))
    return str(path)


def _ended(node) -> bool:
    return node.exit_code is not None


def _start(probe_after, *parameters: str):
    arguments = [part for p in ("episode.seconds:=0.4", *parameters) for part in ("-p", p)]
    probe = probe_after(*arguments)
    world = World(probe)
    return probe, world, probe.add(Environment())


def test_two_episodes_and_the_end(probe_after):
    probe, world, node = _start(probe_after, "run.episodes:=2", "seed:=5")
    probe.until(lambda: node.exit_code is not None and len(world.observations) == 22 and len(world.episodes) == 2)
    assert node.exit_code == 0 and world.stops == 1
    seen = [(o.episode, o.step) for o in world.observations]
    assert seen == [(e, s) for e in (1, 2) for s in range(11)] == [(t.episode, t.step) for t in world.ticks]
    for o in world.observations:
        assert o.first == (o.step == 0) and o.truncated == (o.step == 10) and not o.terminated
        assert o.reward == (0.0 if o.first else 2.0)
        assert list(o.proprioception) == [0.0] * 7 + [1.0] * 7 + [2.0] * 7
    assert [(e.episode, e.steps, e.episode_return, e.end_reason, e.last) for e in world.episodes] == [
        (1, 10, 20.0, "time_limit", False),
        (2, 10, 20.0, "time_limit", True),
    ]
    assert world.episodes[0].observation_age_ms_median == pytest.approx(20.0)
    assert len(world.moves) == len(world.targets) == 2 and world.moves[0] != world.moves[1]
    low, high = np.array(ROBOT.reset.start_lower), np.array(ROBOT.reset.start_upper)
    assert all(np.all((low <= m) & (m <= high)) for m in world.moves)


def test_an_image_keeps_the_stamp_of_its_capture(probe_after):
    probe, world, _ = _start(probe_after)
    probe.until(lambda: len(world.observations) > 5)
    for o in world.observations:
        assert stamp_ns(o.image.header.stamp) in world.captured
        assert time_from_msg(o.header.stamp) - time_from_msg(o.image.header.stamp) > 0.9 * AGE


def test_the_same_seed_gives_the_same_resets(ros):
    moves = []
    for _ in range(2):
        ros(*(part for p in ("episode.seconds:=0.1", "run.episodes:=1", "seed:=7") for part in ("-p", p)))
        probe = Probe()
        world, node = World(probe), probe.add(Environment())
        probe.until(partial(_ended, node))
        moves.append((world.moves, [(p.x, p.y) for p in world.targets]))
        probe.close()
        rclpy.try_shutdown()
    assert moves[0] == moves[1]
    start, target = reset_steps(ROBOT, reset_rng(7, 1))  # as in virtual time
    assert isinstance(start, MoveToStep) and isinstance(target, PlaceTargetStep)
    assert moves[0] == ([start.q.tolist()], [tuple(target.xy.tolist())])


def test_a_silent_actor_ends_the_episode_and_the_next_one_begins(probe_after):
    probe, world, _ = _start(probe_after, "episode.action_timeout:=0.1")
    world.acting = False
    probe.until(lambda: world.episodes)
    assert world.episodes[0].end_reason == "no_action" and world.observations[-1].truncated
    world.acting = True
    probe.until(lambda: len(world.episodes) > 1)
    assert world.episodes[1].end_reason == "time_limit"


def test_a_robot_that_trips_ends_the_episode_until_it_is_armed(probe_after):
    probe, world, _ = _start(probe_after, "episode.seconds:=5.0")
    probe.until(lambda: len(world.observations) > 3)
    world.set_mode(RobotStatus.FAULT)
    probe.until(lambda: world.episodes)
    assert world.episodes[0].end_reason == "robot_stopped"
    moves = len(world.moves)
    deadline = world._now() + 0.3
    probe.until(lambda: world._now() > deadline)
    assert len(world.moves) == moves, "it moved a robot that is in fault"
    world.set_mode(RobotStatus.READY)
    probe.until(lambda: world.observations[-1].episode == 2)


def test_a_simulated_robot_is_armed_again_after_a_fault(probe_after):
    probe, world, _ = _start(probe_after, "episode.seconds:=5.0")

    def arm(request, response):
        world.set_mode(RobotStatus.READY)
        response.success = True
        return response

    probe.node.create_service(Trigger, "rearm", arm)
    probe.until(lambda: len(world.observations) > 3)
    world.set_mode(RobotStatus.FAULT)
    probe.until(lambda: world.observations[-1].episode == 2)
    assert world.episodes[0].end_reason == "robot_stopped"


def test_only_the_answer_to_the_stop_ends_the_run(ros, monkeypatch):
    """An answer to an earlier arm request may arrive after the last episode."""
    ros()
    node, answers = Environment(), {}
    monkeypatch.setattr(environment, "call", lambda client, request, answered: answers.update({client: answered}))
    node._send([Request.REARM, Request.FINISH])
    node._loop.phase = Phase.ENDED
    answers[node._requests[Request.REARM]](Trigger.Response(success=True))
    assert node.exit_code is None
    answers[node._requests[Request.FINISH]](Trigger.Response(success=True))
    assert node.exit_code == 0
    node.destroy_node()


def test_a_robot_that_was_stopped_on_request_stays_so(probe_after):
    probe, world, _ = _start(probe_after, "episode.seconds:=5.0")
    calls = []
    probe.node.create_service(Trigger, "rearm", lambda request, response: calls.append(request) or response)
    probe.until(lambda: len(world.observations) > 3)
    world.set_mode(RobotStatus.STOPPED, requested=True)
    probe.until(lambda: world.episodes)
    end = world._now() + 1.5
    probe.until(lambda: world._now() > end)
    assert not calls and world.observations[-1].episode == 1


def test_a_move_without_an_answer_is_canceled_and_sent_again(probe_after, tmp_path):
    probe, world, _ = _start(probe_after, f"robot:={robot_file(tmp_path, timeout=0.5)}")
    world.moving = False
    probe.until(lambda: world.moves)
    probe.until(lambda: world.canceled)
    world.moving = True
    probe.until(lambda: world.observations)
    assert len(world.moves) >= 2 and all(move == world.moves[0] for move in world.moves)


def test_a_reset_waits_for_a_person(probe_after, tmp_path):
    probe, world, node = _start(probe_after, f"robot:={robot_file(tmp_path, confirm=True)}", "run.episodes:=1")
    proceed = probe.node.create_client(Trigger, "environment/continue")

    def answer():
        future = proceed.call_async(Trigger.Request())
        probe.until(future.done)
        return future.result()

    probe.until(proceed.service_is_ready)
    early = answer()
    assert not early.success and "nothing waits for ~/continue now" in early.message
    probe.until(lambda: node._loop.phase is Phase.CONFIRMING)
    end = world._now() + 0.3
    probe.until(lambda: world._now() > end)
    assert not world.observations
    assert answer().success
    probe.until(lambda: node.exit_code is not None)
    assert len(world.episodes) == 1


def test_a_start_without_the_target_is_counted(probe_after):
    probe, world, _ = _start(probe_after)
    world.reward = 0.0
    probe.until(lambda: world.observations)
    world.reward = 2.0
    probe.until(lambda: len(world.episodes) > 1)
    assert [e.target_at_start for e in world.episodes[:2]] == [0.0, 1.0]


def test_the_action_is_remapped_by_its_name_in_a_namespace(probe_after):
    """ROS 2 Jazzy does not remap the topics and services of an action by the action's name."""
    probe = probe_after(
        *("-r", "__ns:=/left", "-r", "move_to:=robot_bridge/move_to"),
        *("-p", "episode.seconds:=0.1", "-p", "run.episodes:=1"),
    )
    world, node = World(probe, "robot_bridge/move_to"), probe.add(Environment())
    probe.until(lambda: node.exit_code is not None)
    assert len(world.moves) == len(world.episodes) == 1


def test_a_camera_that_stops_ends_the_episode(probe_after):
    probe, world, _ = _start(probe_after, "episode.seconds:=5.0")
    probe.until(lambda: len(world.observations) > 3)
    world.publishing = False
    probe.until(lambda: world.episodes)
    assert world.episodes[0].end_reason == "input_lost"


def test_nothing_begins_without_the_actor_that_fell_silent(probe_after):
    """The latched message of a dead actor still says that it is ready."""
    probe, world, node = _start(probe_after, "episode.action_timeout:=0.1")
    world.present = world.acting = False
    world._ready.publish(Bool(data=True))
    probe.until(lambda: world.episodes)
    begun = world.episodes[0].episode
    end = world._now() + 0.5
    probe.until(lambda: world._now() > end)
    assert node._loop.episode == begun and "the actor" in "".join(node._missing())
    world.present = world.acting = True
    probe.until(lambda: len(world.episodes) > 1)
    assert world.episodes[-1].end_reason == "time_limit"


def test_nothing_begins_without_a_sign_of_life_of_the_learner(probe_after):
    probe, world, node = _start(probe_after, "learner_timeout:=0.3")
    statuses = probe.node.create_publisher(LearnerStatus, "learner_status", qos.EVENT)
    probe.until(lambda: any("the learner (no sign of life yet)" in need for need in node._missing()))
    end = world._now() + 0.3
    probe.until(lambda: world._now() > end)
    assert not world.moves
    probe.node.create_timer(0.05, lambda: statuses.publish(LearnerStatus()))
    probe.until(lambda: world.episodes)


def test_messages_of_another_run_are_refused_and_counted(probe_after):
    probe, world, node = _start(probe_after, "run_id:=mine", "episode.action_timeout:=0.3")
    probe.until(lambda: world.episodes)
    assert world.episodes[0].end_reason == "no_action", "the actions are of no run"
    assert world.episodes[0].run_id == world.observations[0].run_id == world.ticks[0].run_id == "mine"
    assert node.refusals.count > 0 and node.refusals.last.startswith("Action on action: of run ''")


def test_a_person_pauses_resumes_and_aborts(probe_after, tmp_path):
    progress = tmp_path / "run" / "progress.json"
    probe, world, node = _start(probe_after, "episode.seconds:=5.0", f"progress:={progress}")
    clients = {name: probe.node.create_client(Trigger, f"environment/{name}") for name in ("pause", "resume", "abort")}
    probe.until(lambda: all(client.service_is_ready() for client in clients.values()))

    def ask(name: str):
        future = clients[name].call_async(Trigger.Request())
        probe.until(future.done)
        return future.result()

    probe.until(lambda: len(world.observations) > 3)
    assert ask("pause").success
    probe.until(lambda: world.episodes)
    assert world.episodes[0].end_reason == "paused" and world.observations[-1].truncated
    assert json.loads(progress.read_text())["state"] == "paused"
    end = world._now() + 0.3
    probe.until(lambda: world._now() > end)
    assert node._loop.episode == 1 and "resume" in node._loop.waiting_for(0)[0]
    assert ask("resume").success
    probe.until(lambda: world.observations[-1].episode == 2)
    assert ask("abort").success
    probe.until(lambda: node.exit_code is not None)
    assert node.exit_code == 0 and world.stops == 1
    assert world.episodes[-1].last and world.episodes[-1].end_reason == "aborted"
    assert json.loads(progress.read_text())["state"] == "aborted"


def test_a_new_environment_goes_on_with_the_next_episode(probe_after, tmp_path):
    arguments = ("run_id:=mine", f"progress:={tmp_path / 'progress.json'}", "episode.seconds:=5.0")
    probe, world, node = _start(probe_after, *arguments)
    world.run_id = "mine"
    probe.until(lambda: len(world.observations) > 3)
    probe.remove(node)
    probe.add(Environment())
    probe.until(lambda: world.observations[-1].episode == 2)
    assert world.observations[-1].step == 0 or len(world.observations) > 4


@pytest.mark.parametrize("argument", ["seed:=-1", "run.episodes:=-1", "run.training_minutes:=-2.0", "robot:=pandax"])
def test_nonsense_is_refused(ros, argument):
    ros("-p", argument)
    with pytest.raises(ValueError, match=r"not allowed|panda_sim"):
        Environment()


def test_diagnostics_report_waiting_and_late_cycles(probe_after):
    probe, world, node = _start(probe_after)
    world.publishing = False
    probe.until(lambda: node.diagnose()[0] == DiagnosticStatus.WARN)
    assert "waiting for" in node.diagnose()[1]
    world.publishing = True
    probe.until(lambda: node._loop.phase is Phase.RUNNING and len(world.observations) > 2)
    node._taken, node._late = 25, 2
    assert node.diagnose()[:2] == (DiagnosticStatus.OK, "running")
    node._taken, node._late = 25, 3
    assert node.diagnose()[:2] == (DiagnosticStatus.WARN, "3 of 25 cycles later than 5 ms")
