"""`bench cycle --peers`: how others keep the same cycle on the same cores, beside an equally busy learner.

Two peers act with this package's policy on random frames, without a robot, a camera or topics:

- `rtgym` (Bouteiller, on PyPI): a Gymnasium environment whose thread sends each action, and a learner in a process of
  its own;
- `loop`: what one writes first, in one process: sleep until the cycle is due, act, update once.

The learner is this package's, with the settings of the graph, its threads and its niceness.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.settings import Setting

PEERS = ("rtgym", "loop")
DOF = 7
_ROWS = 1000  # of the learner's replay
_READY = "ready"


def require() -> None:
    """Check that the peers are installed.

    Raises:
        ValueError: rtgym is not.
    """
    if importlib.util.find_spec("rtgym") is None:
        raise ValueError("--peers needs rtgym: install it with ./reacher shell pip install rtgym")


def period_errors(times: npt.NDArray[np.float64], cycle: float) -> npt.NDArray[np.float64]:
    """Return how far the time between two commands is from the cycle, (commands - 1,) in s."""
    return np.abs(np.diff(times) - cycle)


def run_peer(peer: str, setting: Path, seconds: float) -> npt.NDArray[np.float64]:
    """Let a peer act for some time in a process of its own, and return when each command left, s.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, "-m", "franka_reacher_rl.bench.peers", peer, str(setting), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{peer} ended with exit code {done.returncode}")
    return np.array(json.loads(done.stdout.splitlines()[-1]))


def rtgym(setting: Setting, seconds: float) -> list[float]:
    """Act through rtgym's environment; return when each command left, s."""
    import gymnasium
    from gymnasium import spaces
    from rtgym import DEFAULT_CONFIG_DICT, RealTimeGymInterface

    commands: list[float] = []
    act = _acting(setting)

    class Arm(RealTimeGymInterface):  # type: ignore[misc]
        def send_control(self, control: Any) -> None:
            commands.append(time.monotonic())

        def reset(self, seed: int | None = None, options: Any = None) -> tuple[list[Any], dict[str, Any]]:
            return [np.zeros(1, np.float32)], {}

        def get_obs_rew_terminated_info(self) -> tuple[list[Any], float, bool, dict[str, Any]]:
            return [np.zeros(1, np.float32)], 0.0, False, {}

        def get_observation_space(self) -> Any:
            return spaces.Tuple((spaces.Box(-1.0, 1.0, (1,)),))

        def get_action_space(self) -> Any:
            return spaces.Box(-1.0, 1.0, (DOF,))

        def get_default_action(self) -> npt.NDArray[np.float32]:
            return np.zeros(DOF, np.float32)

    cycle = 1e-3 * setting.episode.cycle_ms
    config = {**DEFAULT_CONFIG_DICT, "interface": Arm, "time_step_duration": cycle, "start_obs_capture": cycle}
    environment = gymnasium.make("real-time-gym-v1", config=config, disable_env_checker=True)
    warnings.filterwarnings("ignore", message="Time-step timed out")  # these are what is measured
    environment.reset()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        environment.step(act())
    return commands


def loop(setting: Setting, seconds: float, update: Callable[[], None]) -> list[float]:
    """Sleep until each cycle is due, act, update once; return when each command left, s."""
    commands, act, cycle = [], _acting(setting), 1e-3 * setting.episode.cycle_ms
    due = time.monotonic()
    end = due + seconds
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        act()
        commands.append(time.monotonic())
        update()
        due = max(due + cycle, time.monotonic())
    return commands


def _acting(setting: Setting) -> Callable[[], npt.NDArray[np.float32]]:
    from franka_reacher_rl.core.policy.policy import Policy

    policy = Policy(setting.image, setting.network, DOF, seed=0)
    image = setting.image
    stack = np.random.default_rng(0).integers(0, 256, (image.channels, image.height, image.width), np.uint8)
    proprioception = np.zeros(3 * DOF, np.float32)
    return lambda: policy.act(stack, proprioception)


def _updating(setting: Setting) -> Callable[[], None]:
    from franka_reacher_rl.bench.learner import filled_trainer
    from franka_reacher_rl.core.learning.machine import prepare_learner

    prepare_learner(setting.learner.threads, setting.learner.nice)
    trainer = filled_trainer(setting, _ROWS)

    def update() -> None:
        trainer.update(trainer.sample())

    update()
    return update


@contextmanager
def _busy_learner(setting: Path) -> Iterator[None]:
    """Run a learner that updates without pause in another process."""
    command = [sys.executable, "-m", "franka_reacher_rl.bench.peers", "learner", str(setting)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != _READY:
                raise RuntimeError("the learner beside rtgym has failed")
            yield
        finally:
            process.kill()


def main(peer: str, path: Path, seconds: float) -> None:
    """Be a peer, or the learner beside one."""
    import torch

    setting = Setting.load(path)
    if peer == "learner":
        update = _updating(setting)
        print(_READY, flush=True)
        while True:
            update()
    if peer == "loop":
        print(json.dumps(loop(setting, seconds, _updating(setting))))
        return
    torch.set_num_threads(1)
    with _busy_learner(path):
        print(json.dumps(rtgym(setting, seconds)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
