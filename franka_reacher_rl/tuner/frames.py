"""Where the frames come from that the mask is tuned on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from franka_reacher_rl.cameras.base import FrameSource
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.stored import read_replay
from franka_reacher_rl.core.run.run_folder import ROBOT_FILE, SETTING_FILE

_SHOWN = 200  # frames of a run


def frames_of_run(folder: Path) -> list[Frame]:
    """Return frames of a run's replay, spread over its whole length.

    Raises:
        ValueError: The folder is not that of a run, or it has no replay that can be read.
    """
    for name in (SETTING_FILE, ROBOT_FILE):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} has no {name}: give a run folder, as listed by `runs`")
    setting, robot = Setting.load(folder / SETTING_FILE), Robot.load(folder / ROBOT_FILE)
    image, dof = setting.image, robot.dof
    replay = Replay(setting.learner.replay_capacity, image.height, image.width, image.frames, 3 * dof, dof, 0)
    rows = read_replay(folder, replay)
    chosen = np.linspace(replay.total - rows, replay.total - 1, min(_SHOWN, rows)).astype(int)
    return [np.ascontiguousarray(replay.slots(n, n + 1)[0]["frame"][0].transpose(1, 2, 0)) for n in chosen.tolist()]


class LiveFrames:
    """Reads a camera or a video in a thread, and passes on each frame."""

    def __init__(self, open_source: Callable[[], FrameSource], take: Callable[[Frame], None]) -> None:
        """Start reading.

        Args:
            open_source: Opens the source, in the thread that reads it.
            take: Called with each frame, in that thread.
        """
        self._open, self._take = open_source, take
        self._stop = threading.Event()
        self.failure = ""  # why there are no more frames
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        try:
            source = self._open()
            try:
                while not self._stop.is_set():
                    captured = source.read()
                    if captured is not None:
                        self._take(captured.frame)
            finally:
                source.close()
        except (RuntimeError, OSError, ValueError) as error:
            self.failure = str(error)
