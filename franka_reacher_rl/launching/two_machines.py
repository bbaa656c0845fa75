"""What the launch files of one part of a run need beyond those of a whole run: its name, its folder, discovery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from franka_reacher_rl.core.loop.events import RunState
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE, read_progress
from franka_reacher_rl.core.run.run_folder import EPISODES, recorded_run
from franka_reacher_rl.launching.middleware import middleware_settings, stays_on_this_computer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Part(Enum):
    """The part of a run that a launch file starts."""

    ALL = "all"
    LEARNER = "learner"
    ROBOT = "robot"

    @property
    def other(self) -> str:
        """The launch file of the other part."""
        return "robot.launch.py" if self is Part.LEARNER else "learner.launch.py"


def run_name(given: str, part: Part) -> str:
    """Return the run's identifier, which both parts share.

    Raises:
        ValueError: It is missing or has other characters than a folder's name should have.
    """
    if not given:
        raise ValueError(f"run:=NAME is missing: give the same run:=NAME to this launch file and to {part.other}")
    if not _NAME.fullmatch(given):
        raise ValueError(
            f"run:={given} is not allowed: give up to 64 letters, digits, dots, dashes and underscores, for example "
            "run:=monday_1"
        )
    return given


def check_part(values: Mapping[str, str], part: Part) -> None:
    """Check the launch arguments that do not suit one part of a run.

    Raises:
        ValueError: One of them does not.
    """
    if values["evaluate"] == "true":
        raise ValueError("evaluate:=true needs no learner: use async.launch.py at the arm")
    for viewer in ("rviz", "rqt"):
        if part is Part.LEARNER and values[viewer] == "true":
            raise ValueError(f"{viewer}:=true belongs to the computer at the arm: give it to robot.launch.py")


def run_folder(given: str, run: str, part: Part) -> str:
    """Return the folder of one part of a run; that of the same run is taken up again.

    Args:
        given: The launch argument `run_dir`.
        run: The run's identifier.
        part: Whose folder.

    Raises:
        ValueError: The folder has another run, or this one has ended.
    """
    if not given:
        return ""
    folder = (Path(f"runs/{run}_{part.value}") if given == "auto" else Path(given).expanduser()).absolute()
    if (folder / EPISODES).exists() and recorded_run(folder) != run:
        raise ValueError(f"{folder} contains another run: give another run:=NAME or run_dir, or resume:={folder}")
    progress = read_progress(folder / PROGRESS_FILE)
    if progress and progress[0] == run and progress[1].state in (RunState.COMPLETE, RunState.ABORTED):
        raise ValueError(
            f"run:={run} in {folder} is {progress[1].state.value}: give both parts another run:=NAME to start a new "
            "run, or also resume:=FOLDER to continue this one"
        )
    return str(folder)


def discovery_hint(variables: Mapping[str, str], part: Part) -> str:
    """Return what to set where the other computer cannot be found; empty: it can be.

    The launch files open nothing themselves, because anyone who reaches the topics can move the arm.
    """
    if not stays_on_this_computer({**variables, **middleware_settings(variables)}):
        return ""
    return (
        f"these nodes are only heard on this computer. If {part.other} runs on another one, set on both: "
        "ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET and the same ROS_DOMAIN_ID, in a network that you trust; see "
        "docs/two_machines.md"
    )
