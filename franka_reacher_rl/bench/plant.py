"""`bench plant`: the speed of the simulated arm relative to real time, and the duration of a safety filter call."""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Motion
from franka_reacher_rl.core.arm.region import Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.safety import SafetyFilter
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.virtual.latency import nanoseconds
from franka_reacher_rl.virtual.plant import SimulatedPlant

_EPISODE = 200  # control cycles between two start poses


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the exit code.

    Raises:
        ValueError: There is no such robot or setting, or an option is out of range.
    """
    if options.seconds <= 0.0:
        raise ValueError(f"--seconds {options.seconds} is not allowed: more than 0")
    settings = [setting_path(name, default_wiring="async") for name in options.settings]
    result: dict[str, dict[str, float]] = {}
    for robot in map(Robot.load, options.robots):
        if robot.model.mjcf:
            for path in settings:
                result[f"{robot.name}, {path.stem}"] = speed(robot, Setting.load(path), options.seconds)
        for how in ("random", "pushing"):
            result[f"{robot.name}, filter, {how} policy"] = filter_calls(robot, how, options.seconds)
    if options.json:
        print(json.dumps(result))
        return 0
    for what, figures in result.items():
        print(f"{what:36}" + "".join(f"  {name} {value:.3g}" for name, value in figures.items()))
    return 0


def speed(robot: Robot, setting: Setting, seconds: float) -> dict[str, float]:
    """Return simulated seconds per second, for world and camera alone and with bridge, safety filter and reward."""
    plant = SimulatedPlant(robot, setting)
    cycle, random = nanoseconds(1e-3 * setting.episode.cycle_ms), np.random.default_rng(0)
    steps = max(1, round(nanoseconds(seconds) / cycle))
    try:
        plant.camera.render()  # the first call compiles shaders
        began = time.perf_counter()
        for _ in range(steps):
            plant.world.step(1e-9 * cycle)
            plant.camera.render()
        alone = time.perf_counter() - began
        now = 0
        began = time.perf_counter()
        for step in range(steps):
            plant.read(step * cycle)
            plant.command(random.uniform(-1.0, 1.0, robot.dof).astype(np.float32), step * cycle)
            while now < (step + 1) * cycle:
                plant.control(now)
                now += plant.period
        whole = time.perf_counter() - began
    finally:
        plant.close()
    simulated = 1e-9 * steps * cycle
    return {"world_and_camera_times_real_time": simulated / alone, "with_bridge_times_real_time": simulated / whole}


def filter_calls(robot: Robot, how: str, seconds: float) -> dict[str, float]:
    """Return mean, median and 99th percentile of the duration of a safety filter call, in ms.

    Args:
        robot: The robot.
        how: `random`: zero-mean random actions; `pushing`: random actions with a constant bias in each episode.
        seconds: Simulated time.
    """
    kinematics, random = Kinematics(robot), np.random.default_rng(0)
    safety, scale = SafetyFilter(robot, kinematics, Region.for_task(robot)), np.array(robot.task.action_scale)
    dt = 1.0 / robot.driver.control_rate
    taken: list[float] = []
    q: Vector = np.zeros(robot.dof)
    dq: Vector = np.zeros(robot.dof)
    bias: Vector = np.zeros(robot.dof)
    motion = Motion.rest(robot.dof)
    for call in range(max(_EPISODE, round(seconds / dt))):
        if call % _EPISODE == 0:
            q, dq, motion = robot.draw_start(random), np.zeros(robot.dof), Motion.rest(robot.dof)
            bias = random.uniform(-1.0, 1.0, robot.dof) * (how == "pushing")
        asked = scale * np.clip(bias + random.uniform(-0.5, 0.5, robot.dof), -1.0, 1.0)
        began = time.perf_counter()
        motion = safety.filter(q, dq, motion, asked, dt).motion
        taken.append(1e3 * (time.perf_counter() - began))
        q, dq = q + motion.velocity * dt, motion.velocity
    middle, late = np.quantile(taken, [0.5, 0.99])
    return {"mean_ms": float(np.mean(taken)), "median_ms": float(middle), "p99_ms": float(late)}
