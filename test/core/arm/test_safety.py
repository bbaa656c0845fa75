"""Tests of the safety filter: no request moves the arm beyond a limit or a workspace face."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robots import ROBOTS

from franka_reacher_rl.core.arm import correction
from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Limits, Motion, brake, brake_velocities
from franka_reacher_rl.core.arm.region import Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.sections import GuardedFrame
from franka_reacher_rl.core.arm.safety import SafetyFilter
from franka_reacher_rl.core.arm.status import Reason

DT = 0.01  # s
MILLIMETRE = 1e-3  # m
ROUNDING = 1.0 + 1e-6


class Case:
    """A robot with its filter, and an arm that follows commands with a first-order lag (0: exactly)."""

    def __init__(self, robot, lag=0.0, region=None):
        robot = replace(robot, driver=replace(robot.driver, lag=lag, delay=0.0))
        self.robot, self.kinematics, self.lag = robot, Kinematics(robot), lag
        self.filter = SafetyFilter(robot, self.kinematics, region or Region.for_task(robot))
        self.rest(robot.start_middle())

    def rest(self, q):
        self.q, self.dq, self.motion = np.array(q, float), np.zeros(self.robot.dof), Motion.rest(self.robot.dof)

    def ask(self, velocity, dt=DT):
        """Run one cycle and check the invariants of every cycle."""
        before, limits = self.motion, self.filter.region.limits
        arguments = [self.q, self.dq, before.velocity, before.acceleration, np.array(velocity, float)]
        copies = [a.copy() for a in arguments]
        for a in arguments:
            a.setflags(write=False)
        filtered = self.filter.filter(self.q, self.dq, before, arguments[-1], dt)
        for a, copy in zip(arguments, copies, strict=True):
            np.testing.assert_array_equal(a, copy)
        v = filtered.motion.velocity
        acceleration = (v - before.velocity) / dt
        assert np.isfinite(v).all()
        assert (np.abs(v) <= np.maximum(limits.velocity, np.abs(before.velocity)) * ROUNDING).all()
        assert (np.abs(acceleration) <= limits.acceleration * ROUNDING).all()
        assert (np.abs(acceleration - before.acceleration) <= limits.jerk * dt * ROUNDING + 1e-6).all()
        self.motion = filtered.motion
        self.move(v, dt)
        return filtered

    def move(self, v, dt):
        decay = np.exp(-dt / self.lag) if self.lag else 0.0
        self.q = self.q + v * dt + (self.dq - v) * self.lag * (1.0 - decay)
        self.dq = v + (self.dq - v) * decay

    def outside(self):
        """Return how far the end effector is outside the workspace in m; negative inside."""
        place = self.kinematics.position(self.q)
        return np.maximum(
            place - self.robot.task.workspace_upper, np.array(self.robot.task.workspace_lower) - place
        ).max()

    def beyond(self):
        """Return how far a joint is outside its range in rad; negative inside."""
        task = self.robot.task
        return np.maximum(self.q - task.position_upper, np.array(task.position_lower) - self.q).max()

    def start_somewhere(self, random):
        """Put the arm at rest at a random pose with the end effector in the workspace."""
        low, high = self.filter.region.position_lower, self.filter.region.position_upper
        for _ in range(500):
            self.rest(random.uniform(low, high))
            if self.outside() < 0.0:
                return
        self.rest(self.robot.draw_start(random))


CASES = {name: Case(Robot.load(name)) for name in ROBOTS}
LAGGING = {name: Case(Robot.load(name), lag=0.02) for name in ROBOTS}


def requests(case, random, kind, cycles):
    """Generate a sequence of requests, as a policy or an adversary may send it."""
    scale = np.array(case.robot.task.action_scale)
    drift = random.uniform(-1, 1, case.robot.dof)
    for cycle in range(cycles):
        if kind == "noise" and cycle % 4 == 0:
            v = scale * random.uniform(-1, 1, len(scale))
        elif kind == "drift":
            v = scale * np.clip(drift + 0.3 * random.normal(size=len(scale)), -1, 1)
        elif kind == "bang" and cycle % 7 == 0:
            v = scale * random.choice([-1, 1], len(scale))
        elif kind == "huge":
            v = random.normal(size=len(scale)) * 10.0 ** random.integers(-3, 200)
        elif kind == "broken":
            v = np.where(random.random(len(scale)) < 0.2, random.choice([np.nan, np.inf, -np.inf]), scale * drift)
        yield v


KINDS = st.sampled_from(["noise", "drift", "bang", "huge", "broken"])


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=KINDS)
def test_no_limit_and_no_workspace_face_is_exceeded(name, seed, kind):
    case, random = CASES[name], np.random.default_rng(seed)
    case.start_somewhere(random)
    for velocity in requests(case, random, kind, 120):
        case.ask(velocity)
        assert case.outside() <= 1e-5
        assert case.beyond() <= 1e-6


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=KINDS)
def test_a_known_lag_exceeds_no_limit(name, seed, kind):
    case, random = LAGGING[name], np.random.default_rng(seed)
    case.start_somewhere(random)
    for velocity in requests(case, random, kind, 120):
        case.ask(velocity)
        assert case.outside() <= MILLIMETRE
        assert case.beyond() <= MILLIMETRE


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=KINDS)
def test_an_unknown_lag_leaves_the_workspace_by_no_more_than_a_millimetre(name, seed, kind):
    case, random = CASES[name], np.random.default_rng(seed)
    case.start_somewhere(random)
    case.lag = 0.02
    try:
        for velocity in requests(case, random, kind, 120):
            case.ask(velocity)
            assert case.outside() <= MILLIMETRE
    finally:
        case.lag = 0.0


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_state_gives_a_finite_command(name, seed):
    """For any measurement and any motion, even invalid ones, the command is finite and within the limits."""
    case, random = CASES[name], np.random.default_rng(seed)
    limits = case.filter.region.limits
    for _ in range(10):
        case.rest(random.normal(size=case.robot.dof) * 10.0 ** random.integers(-2, 3))
        case.dq = random.normal(size=case.robot.dof) * 10.0 ** random.integers(-2, 3)
        case.motion = brake(
            Motion(random.uniform(-1, 1, case.robot.dof) * limits.velocity, np.zeros(case.robot.dof)), limits, DT
        )
        if random.random() < 0.3:
            case.q[0] = np.nan
        filtered = case.ask(random.normal(size=case.robot.dof))
        if np.isnan(case.q[0]):
            assert Reason.STATE_NOT_FINITE in filtered.reasons


@pytest.mark.parametrize("name", ROBOTS)
def test_a_velocity_far_from_all_limits_is_not_changed(name):
    case = CASES[name]
    case.rest(case.robot.start_middle())
    wanted = 0.02 * np.array(case.robot.task.action_scale)
    for _ in range(10):
        filtered = case.ask(wanted)
    np.testing.assert_allclose(filtered.motion.velocity, wanted)
    assert filtered.reasons == ()


def towards(case, direction, speed=0.05):
    """Return joint velocities that move the end effector along a direction, by least squares."""
    jacobian = case.kinematics.jacobian(case.q)[:3]
    return np.linalg.lstsq(jacobian, speed * np.asarray(direction, float), rcond=None)[0]


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_slides_along_a_face(name, side):
    """Commanded obliquely against the lowest face, the arm slides along it."""
    case = Case(Robot.load(name))
    for _ in range(1000):
        case.ask(towards(case, [0, 0, -1]))
        if case.outside() > -0.0025:
            break
    y, low = case.kinematics.position(case.q)[1], case.robot.task.workspace_lower[2]
    for _ in range(100):
        filtered = case.ask(towards(case, [0, side, -1]))
    place = case.kinematics.position(case.q)
    assert Reason.WORKSPACE in filtered.reasons or Reason.JOINT_LIMIT in filtered.reasons
    assert place[2] >= low and place[2] < low + 0.02
    assert side * (place[1] - y) > 0.01


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_outside_the_workspace_only_inward_motion_is_allowed(axis, side):
    """Outside a face no motion leads further out, and the way back is free."""
    robot = Robot.load("panda_sim")
    case = Case(robot)
    place = case.kinematics.position(case.q)
    low, high = np.array(robot.task.workspace_lower), np.array(robot.task.workspace_upper)
    (high if side > 0 else low)[axis] = place[axis] - side * 0.03
    shifted = replace(robot, task=replace(robot.task, workspace_lower=low.tolist(), workspace_upper=high.tolist()))
    case = Case(shifted)
    normal = side * np.eye(3)[axis]
    for _ in range(20):
        filtered = case.ask(towards(case, normal, 0.1))
        assert normal @ (case.kinematics.position(case.q) - place) <= 1e-5
        assert Reason.OUTSIDE_WORKSPACE in filtered.reasons
    for _ in range(20):
        case.ask(towards(case, -normal, 0.1))
    assert normal @ (case.kinematics.position(case.q) - place) < -0.005


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_outside_a_joint_limit_only_inward_motion_is_allowed(side):
    case = Case(Robot.load("panda_sim"))
    q = case.robot.start_middle()
    q[0] = side * 0.6  # the task allows 0.5
    case.rest(q)
    wanted = np.zeros(7)
    wanted[0] = side * 0.2
    filtered = case.ask(wanted)
    assert filtered.motion.velocity[0] == 0.0 and Reason.OUTSIDE_LIMITS in filtered.reasons
    for _ in range(10):
        filtered = case.ask(-wanted)
    assert filtered.motion.velocity[0] == -wanted[0]


@pytest.mark.parametrize("distance", [0.2, 0.05, 0.01, 0.002, 0.0])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_stops_at_a_joint_limit_from_any_distance(distance, side):
    case = Case(Robot.load("panda_sim"))
    q = case.robot.start_middle()
    q[6] = side * (0.9 - case.robot.bridge.position_margin - distance)
    case.rest(q)
    wanted = np.zeros(7)
    wanted[6] = side * 0.2
    for _ in range(200):
        case.ask(wanted)
    assert 0.0 <= 0.9 - side * case.q[6] <= case.robot.bridge.position_margin + 1e-3


def test_reasons_tell_what_limited_the_command():
    case = Case(Robot.load("panda_sim"))
    assert set(case.ask(np.full(7, 5.0)).reasons) >= {Reason.VELOCITY, Reason.ACCELERATION}
    assert Reason.REQUEST_NOT_FINITE in case.ask(np.full(7, np.nan)).reasons
    jerky = Case(Robot.load("ur5e_sim"))
    assert Reason.JERK in jerky.ask(np.full(6, 0.2)).reasons


def test_a_singularity_does_not_exceed_the_workspace():
    """The elbow is straight and the command points outward against a face."""
    robot = Robot.load("ur5e_sim")
    task = replace(
        robot.task,
        position_lower=[-3.0] * 6,
        position_upper=[3.0] * 6,
        workspace_lower=[-1.2] * 3,
        workspace_upper=[0.9, 1.2, 1.2],
    )
    case = Case(
        replace(robot, task=task, limits=replace(robot.limits, position_upper=[6.28, 6.28, 3.14, 6.28, 6.28, 6.28]))
    )
    case.rest([0.0, -0.3, 0.0, 0.0, -1.57, 0.0])
    for _ in range(300):
        case.ask(0.2 * np.sign(case.kinematics.jacobian(case.q)[0]))
        assert case.outside() <= 1e-5


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_brake_plan_matches_the_braking_motion(seed):
    random = np.random.default_rng(seed)
    full = random.uniform(0.5, 10.0, 5)
    limits = Limits(np.ones(5), full, full * 10.0 ** random.uniform(0, 3))
    motion = Motion(random.uniform(-1, 1, 5), random.uniform(-1, 1, 5) * full)
    if limits.free_cycle <= DT:
        motion = Motion(motion.velocity, np.zeros(5))
    for planned in brake_velocities(motion, limits, DT):
        np.testing.assert_allclose(planned, motion.velocity, atol=1e-8)
        motion = brake(motion, limits, DT)
    assert motion.at_rest


def test_moves_stay_within_the_robots_limits_but_may_leave_the_workspace():
    robot = Robot.load("panda_sim")
    case = Case(robot, region=Region.for_moves(robot))
    random = np.random.default_rng(0)
    for velocity in random.uniform(-2, 2, (12, 7)):
        for _ in range(100):
            case.ask(velocity)
            assert (case.q <= robot.limits.position_upper).all() and (case.q >= robot.limits.position_lower).all()
    assert case.outside() > 0.05


@pytest.mark.parametrize("name", ["panda_sim", "fr3", "ur5e_sim"])
def test_a_constant_request_neither_chatters_nor_stalls(name):
    """Pushed against faces and joint limits, the arm slides without alternating between command and full brake."""
    case, random = Case(Robot.load(name)), np.random.default_rng(3)
    full = case.filter.region.limits.acceleration * 0.99
    for _ in range(6):
        case.start_somewhere(random)
        wanted, hard = np.array(case.robot.task.action_scale) * random.choice([-1, 1], case.robot.dof), 0
        for _ in range(300):
            before = case.motion.velocity
            case.ask(wanted)
            hard += bool((np.abs(case.motion.velocity - before) / DT > full).any())
        assert hard <= 15 and case.outside() <= 1e-5


STUCK = [  # starts outside box and joint range from which the arm did not move in the first version
    ("panda_sim", [0.4053, 1.3656, -0.4106, -2.5662, -0.1981, 1.5957, 0.3444]),
    ("panda_sim", [0.0662, 0.8696, -0.5775, -2.6744, 0.6182, 2.8955, 0.7534]),
    ("fr3", [-0.2082, 0.6913, 0.6389, -3.0302, -0.439, 2.7176, -0.2427]),
    ("fr3", [0.2765, 0.9586, 0.7497, -2.3834, 0.1346, 1.6395, -0.7763]),
    ("fr3", [0.636, 1.097, -0.7178, -2.9239, 0.0165, 2.4589, 0.2446]),
]


@pytest.mark.parametrize(("name", "start"), STUCK)
def test_the_way_back_is_free(name, start):
    case = Case(Robot.load(name))
    case.rest(start)
    for _ in range(800):
        way = case.robot.start_middle() - case.q
        case.ask(0.2 * way / np.abs(way).max())
        if case.outside() < 0.0:
            return
    pytest.fail(f"after 8 s the end effector is still {1e3 * case.outside():.0f} mm outside")


def test_a_guarded_frame_stays_in_its_box_in_episodes_and_moves():
    robot = Robot.load("panda_sim")
    elbow = replace(robot, model=replace(robot.model, end_effector_frame="panda_link4"))
    height = Kinematics(elbow).position(robot.start_middle())[2]
    guard = GuardedFrame("panda_link4", lower=[-10.0, -10.0, height - 0.03])
    robot = replace(robot, model=replace(robot.model, guarded_frames=[guard]))
    for region in (Region.for_task(robot), Region.for_moves(robot)):
        case = Case(robot, region=region)
        for _ in range(150):
            case.ask([0, 0.2, 0, -0.2, 0, 0, 0])  # leans forward, which lowers the elbow
        low = Kinematics(elbow).position(case.q)[2]
        assert height - 0.03 <= low < height - 0.02


def test_a_command_may_be_held_until_the_deadline_at_any_time():
    """If any single cycle lasts as long as the deadline, the arm stays in the workspace."""
    case, random = Case(Robot.load("ur5e_sim")), np.random.default_rng(1)
    for _ in range(4):
        case.start_somewhere(random)
        wanted = 0.2 * random.choice([-1, 1], 6)
        for cycle in range(200):
            case.ask(wanted)
            if cycle % 20 == 19:
                case.move(case.motion.velocity, case.robot.driver.deadline - DT)
            assert case.outside() <= 1e-5


@pytest.mark.parametrize("name", ROBOTS)
def test_the_quick_checks_change_no_result(name, monkeypatch):
    """Without the bound of a plan's displacement and of braking, every velocity is the same to the last bit."""

    def outputs():
        case, random, found = Case(Robot.load(name)), np.random.default_rng(3), []
        for i in range(300):
            if i % 60 == 0:
                case.rest(case.robot.draw_start(random))
                bias = random.uniform(-1.0, 1.0, case.robot.dof)
            action = np.clip(bias + random.uniform(-0.5, 0.5, case.robot.dof), -1.0, 1.0)
            filtered = case.ask(case.robot.velocity_of(action))
            found.append((filtered.motion.velocity.tobytes(), filtered.reasons))
        return found

    quick = outputs()
    monkeypatch.setattr(correction.Correction, "_surely_safe", lambda *_: False)
    monkeypatch.setattr(correction, "brakes_within", lambda *_: False)
    assert outputs() == quick
