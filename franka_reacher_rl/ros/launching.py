"""The launch description of the graph, which both launch files share; the wiring table sets its remappings.

A mistake in the launch arguments prints one line and ends the launch with exit code 1.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import LogInfo, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import PACKAGE, find_yaml
from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.core.loop.wiring import SHARED, wires
from franka_reacher_rl.ros.launch_arguments import ARGUMENTS, check_choices, check_names, names_on_command_line, number
from franka_reacher_rl.ros.node import END_WITH_PARENT, EXIT_BAD_SETTINGS, REALTIME_PRIORITY
from franka_reacher_rl.ros.run_folder import Resumed
from franka_reacher_rl.ros.viewers import state_publisher, viewers

# SCHED_FIFO priorities of the nodes between an observation and its command. None of them waits for the learner.
REALTIME = {"robot_bridge": 30, "environment": 20, "actor": 20}

# Exit codes of a node that was asked to end. A signal may arrive before the node handles it, and asyncio reports 255
# for a process that exited at the moment it was signalled.
_REQUESTED = (0, -signal.SIGINT, -signal.SIGTERM, 255)

_SECONDS_TO_STOP = "40"  # s, for a learner that finishes an update and writes its files


def graph(wiring: str) -> LaunchDescription:
    """Return the launch description of a wiring, `sync` or `async`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start, args=[wiring])])


def start(context: LaunchContext, wiring: str) -> list[LaunchDescriptionEntity]:
    """Return what starts the graph, or what ends the launch where its arguments are wrong."""
    try:
        check_names(names_on_command_line(context))
        return _nodes(context, wiring)
    except (OSError, ValueError) as error:
        return fail(context, f"error: {error}")


def fail(context: LaunchContext, message: str) -> list[LaunchDescriptionEntity]:
    """Print a message, set exit code 1 of the launch and return what shuts it down.

    An exception would set the exit code too, but launch would print it as "Caught exception in launch". The event
    loop's exception handler prints the message as it is.
    """
    _set_failed(context, message)
    return [Shutdown(reason=message)]


def _set_failed(context: LaunchContext, message: str) -> None:
    context.asyncio_loop.call_exception_handler({"message": message})


def _nodes(context: LaunchContext, wiring: str) -> list[LaunchDescriptionEntity]:
    values = {argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS}
    plan = _Plan(wiring, values)
    inputs = wires(wiring, evaluate=plan.evaluate)
    nodes = [_node(name, plan.parameters(name), inputs[name], plan.priority(name)) for name in plan.nodes]
    return [
        LogInfo(msg=plan.summary()),
        *(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_on_exit(name))) for name, node in nodes),
        *(node for _, node in nodes),
        state_publisher(plan.robot_file),
        *viewers(values, plan.robot),
    ]


class _Plan:
    """The nodes of a run and their parameters, from the launch arguments.

    Raises:
        ValueError: An argument is not allowed; the message says what is.
    """

    def __init__(self, wiring: str, values: dict[str, str]) -> None:
        check_choices(values)
        self._resumed = Resumed(values["resume"], wiring) if values["resume"] else None
        self._values = values = values | (self._resumed.arguments if self._resumed else {})
        self.evaluate = values["evaluate"] == "true"
        self.setting_path = setting_path(_automatic() if values["setting"] == "auto" else values["setting"], wiring)
        Setting.load(self.setting_path)
        self.robot_file = values["robot"]
        self.robot = Robot.load(self.robot_file)
        self.seed = number("seed", values["seed"], int)
        self.episodes = number("episodes", values["episodes"], int)
        self.minutes = number("training_minutes", values["training_minutes"], float)
        if self.evaluate and not values["policy"]:
            raise ValueError("evaluate:=true needs policy:=PATH, for example runs/LAST/policy.safetensors")
        policy = values["policy"]
        if policy and not Path(policy).expanduser().is_file():
            raise ValueError(f"policy:={policy} does not exist: a run writes its policy to RUN_DIR/policy.safetensors")
        if policy and not self.evaluate:
            raise ValueError("policy:=PATH runs a saved policy: give evaluate:=true too")
        self.wiring = wiring
        self.run_dir = self._run_dir()

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes of this run."""
        left_out = set() if self.robot.simulated else {"sim_robot"}
        left_out |= {"learner"} if self.evaluate else set()
        return [name for name in SHARED if name not in left_out]

    def parameters(self, node: str) -> list[Any]:
        """Return a node's parameters: the setting file and the values from the launch arguments."""
        robot = str(find_yaml("robots", self._values["robot"]))
        length: dict[str, Any] = {"episodes": self.episodes, "training_minutes": self.minutes}
        done = self._resumed.counters if self._resumed else {}
        own: dict[str, dict[str, Any]] = {
            "camera": {"source": self._values["camera"], "robot": robot},
            "environment": {"robot": robot, "seed": self.seed, "run": {**length, **done}},
            "actor": {
                "robot": robot,
                "seed": self.seed,
                "policy": os.path.abspath(os.path.expanduser(self._values["policy"])) if self._values["policy"] else "",
                "evaluate": self.evaluate,
            },
            "learner": {
                "robot": robot,
                "seed": self.seed,
                "run_dir": self.run_dir,
                "resume": self._resumed is not None,
                "learner": {"device": self._values["device"]},
            },
            "robot_bridge": {"robot": robot, "address": self._values["address"]},
            "sim_robot": {"robot": robot},
            "display": {"robot": robot},
            "recorder": {
                "robot": robot,
                "setting": str(self.setting_path),
                "wiring": self.wiring,
                "camera": self._values["camera"],
                "policy": self._values["policy"],
                "evaluate": self.evaluate,
                "run_dir": self.run_dir,
                "seed": self.seed,
                **length,
            },
        }
        return [str(self.setting_path), own.get(node, {})]

    def priority(self, node: str) -> int:
        """Return a node's real-time priority; 0: ordinary scheduling."""
        return REALTIME.get(node, 0) if self._values["realtime"] == "auto" else 0

    def summary(self) -> str:
        """Describe the run in one line for the user."""
        length = f"{self.episodes} episodes" if self.episodes else "until stopped"
        if self.minutes:
            length = f"{self.minutes:g} training minutes"
        what = "evaluating" if self.evaluate else "resuming" if self._resumed else "learning"
        which = f"setting {self.setting_path.stem}, robot {self.robot.name}, seed {self.seed}"
        warning = f"; {self._resumed.warning}" if self._resumed and self._resumed.warning else ""
        return f"{what}, {self.wiring}, {which}, {length}{warning}"

    def _run_dir(self) -> str:
        if self._resumed:
            return str(self._resumed.folder)
        given = self._values["run_dir"]
        if given != "auto":
            if given and (Path(given).expanduser() / "episodes.csv").exists():
                raise ValueError(f"run_dir:={given} already contains a run: resume it with resume:={given}")
            return os.path.abspath(os.path.expanduser(given)) if given else ""
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        what = "evaluate" if self.evaluate else self.setting_path.stem
        return os.path.abspath(f"runs/{stamp}_{what}_{self.robot.name}_seed{self.seed}")


def _automatic() -> str:
    """Return the setting that suits this machine."""
    if shutil.which("nvidia-smi") is None:
        return "lite"
    import torch  # takes seconds, so only where there may be a GPU

    return "baseline" if torch.cuda.is_available() else "lite"


def _node(name: str, parameters: list[Any], inputs: dict[str, str], priority: int) -> tuple[str, Node]:
    node = Node(
        package=PACKAGE,
        executable=name,
        name=name,
        parameters=parameters,
        remappings=list(inputs.items()),
        output="screen",
        additional_env={END_WITH_PARENT: "1", REALTIME_PRIORITY: str(priority)},
        output_format="{line}" if name == "recorder" else "[{this.process_description.final_name}] {line}",
        sigterm_timeout=_SECONDS_TO_STOP,
        sigkill_timeout="10",
    )
    return name, node


def _on_exit(name: str) -> Callable[[ProcessExited, LaunchContext], list[LaunchDescriptionEntity] | None]:
    """Return a handler that ends the graph when a node has exited; a failed node makes the launch fail."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        code = event.returncode
        if context.is_shutdown:
            if code not in _REQUESTED:
                _set_failed(context, f"error: {name} ended with exit code {code}")
            return None
        if code == 0:
            return [Shutdown(reason="the run is complete" if name == "environment" else f"{name} ended")]
        if code == EXIT_BAD_SETTINGS:
            return fail(context, f"error: {name} refused its settings; its message above says why")
        return fail(context, f"error: {name} died with exit code {code}; its messages above say why")

    return on_exit
