"""`bench plant`: how much faster than real time the simulated arm is, and what a call of the safety filter takes."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.ramps import Motion
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.safety import Region, SafetyFilter
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.virtual.latency import nanoseconds
from franka_reacher_rl.virtual.plant import SimulatedPlant

_EPISODE = 200  # control cycles of the filter between two start poses


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    parser = argparse.ArgumentParser(prog="franka-reacher bench plant", description=__doc__)
    parser.add_argument("--robots", nargs="+", default=["panda_sim", "fr3", "ur5e_sim"], metavar="NAME")
    parser.add_argument(
        "--settings", nargs="+", default=["async_baseline", "async_highres"], metavar="NAME", help="frames and cycles"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of simulated time, each")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args(argv)
    if options.seconds <= 0.0:
        raise ValueError(f"--seconds {options.seconds}: more than 0")
    result: dict[str, dict[str, float]] = {}
    for robot in map(Robot.load, options.robots):
        if robot.model.mjcf:
            for name in options.settings:
                result[f"{robot.name}, {name}"] = speed(robot, Setting.load(name), options.seconds)
        for how in ("random", "pushing"):
            result[f"{robot.name}, filter, {how} policy"] = filter_calls(robot, how, options.seconds)
    if options.json:
        print(json.dumps(result))
        return 0
    for what, figures in result.items():
        print(f"{what:36}" + "".join(f"  {name} {value:.3g}" for name, value in figures.items()))
    return 0


def speed(robot: Robot, setting: Setting, seconds: float) -> dict[str, float]:
    """Simulated seconds per second: of world and camera alone, and with the bridge, its filter and the reward."""
    plant = SimulatedPlant(robot, setting)
    cycle, random = nanoseconds(1e-3 * setting.episode.cycle_ms), np.random.default_rng(0)
    steps = max(1, round(nanoseconds(seconds) / cycle))
    try:
        plant.camera.render()  # the first one compiles shaders
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
    """What a call of the safety filter takes, in ms, under a `random` policy or one `pushing` one way an episode."""
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
