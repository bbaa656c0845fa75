"""The graph as data: the nodes both launch files share, and the two remappings in which they differ."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.actions import Node

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import PACKAGE, config_dir, find_yaml
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.loop.wiring import SHARED, wires
from franka_reacher_rl.ros.node import END_WITH_PARENT, REALTIME_PRIORITY
from franka_reacher_rl.ros.run_folder import Resumed

ARGUMENTS = [
    DeclareLaunchArgument(
        "setting",
        default_value="auto",
        description="baseline, highres, lite, the path of a setting file, or auto: baseline with CUDA, else lite",
    ),
    DeclareLaunchArgument("robot", default_value="panda_sim", description="robot file: a name or a path"),
    DeclareLaunchArgument(
        "camera", default_value="simulated", description="simulated, a device such as /dev/video0, or a video file"
    ),
    DeclareLaunchArgument(
        "device", default_value="auto", description="where updates run", choices=["auto", "cpu", "cuda"]
    ),
    DeclareLaunchArgument("seed", default_value="0", description="seed of networks, noise, start poses and targets"),
    DeclareLaunchArgument("episodes", default_value="0", description="episodes to run; 0: no limit"),
    DeclareLaunchArgument("training_minutes", default_value="0", description="training time to run [min]; 0: no limit"),
    DeclareLaunchArgument(
        "run_dir", default_value="auto", description="folder of the run; auto: runs/<date>_<setting>_<robot>_seed<seed>"
    ),
    DeclareLaunchArgument(
        "resume", default_value="", description="folder of a run to go on with; its setting, robot, camera, seed stay"
    ),
    DeclareLaunchArgument("policy", default_value="", description="policy file to run, with evaluate:=true"),
    DeclareLaunchArgument(
        "evaluate", default_value="false", description="run a policy without learning", choices=["true", "false"]
    ),
    DeclareLaunchArgument(
        "realtime",
        default_value="auto",
        description="real-time priority for bridge, environment and actor where the system permits it",
        choices=["auto", "off"],
    ),
    DeclareLaunchArgument("rviz", default_value="false", description="open RViz", choices=["true", "false"]),
    DeclareLaunchArgument("rqt", default_value="false", description="open rqt", choices=["true", "false"]),
]

# SCHED_FIFO priorities of the control path: each short, none ever waits for the learner.
REALTIME = {"robot_bridge": 30, "environment": 20, "actor": 20}

# Exit codes of an asked-for end: a signal may come before the node can handle it, and asyncio reports 255 for a process
# that ended just as it was signalled.
_ASKED_FOR = (0, -signal.SIGINT, -signal.SIGTERM, 255)

_SLOW_TO_STOP = "40"  # s, for a learner that finishes an update and writes what is unwritten


def graph(wiring: str) -> LaunchDescription:
    """Return the launch description of a wiring, `sync` or `async`."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_nodes, args=[wiring])])


def _nodes(context: LaunchContext, wiring: str) -> list[LaunchDescriptionEntity]:
    values = {argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS}
    plan = _Plan(wiring, values)
    inputs = wires(wiring, evaluate=plan.evaluate)
    nodes = [_node(name, plan.parameters(name), inputs[name], plan.priority(name)) for name in plan.nodes]
    return [
        LogInfo(msg=plan.summary()),
        *(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=_end(name))) for name, node in nodes),
        *(node for _, node in nodes),
        *_viewers(values),
    ]


class _Plan:
    """What the launch arguments amount to.

    Raises:
        ValueError: An argument is not allowed; the message says what is.
    """

    def __init__(self, wiring: str, values: dict[str, str]) -> None:
        self._resumed = Resumed(values["resume"], wiring) if values["resume"] else None
        self._values = values = values | (self._resumed.arguments if self._resumed else {})
        self.evaluate = values["evaluate"] == "true"
        self.setting_path = find_yaml("settings", _setting_name(wiring, values["setting"]))
        Setting.load(self.setting_path)
        self.robot = Robot.load(values["robot"])
        self.seed = _number("seed", values["seed"], int)
        self.episodes = _number("episodes", values["episodes"], int)
        self.minutes = _number("training_minutes", values["training_minutes"], float)
        if self.evaluate and not values["policy"]:
            raise ValueError("evaluate:=true needs policy:=PATH, for example runs/LAST/policy.safetensors")
        policy = values["policy"]
        if policy and not Path(policy).expanduser().is_file():
            raise ValueError(f"policy {policy} is not there: a run leaves its own in RUN_DIR/policy.safetensors")
        if policy and not self.evaluate:
            raise ValueError("policy:=PATH runs a saved policy: say evaluate:=true too")
        self.wiring = wiring
        self.run_dir = self._run_dir()

    @property
    def nodes(self) -> list[str]:
        """The nodes of this run."""
        left_out = set() if self.robot.simulated else {"sim_robot"}
        left_out |= {"learner"} if self.evaluate else set()
        return [name for name in SHARED if name not in left_out]

    def parameters(self, node: str) -> list[Any]:
        """The node's parameters: the setting file, and what the launch arguments say."""
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
            "robot_bridge": {"robot": robot},
            "sim_robot": {"robot": robot},
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
        """The node's real-time priority, taken where the system permits it; 0: ordinary scheduling."""
        return REALTIME.get(node, 0) if self._values["realtime"] == "auto" else 0

    def summary(self) -> str:
        """One line for the person who started it."""
        length = f"{self.episodes} episodes" if self.episodes else "until stopped"
        if self.minutes:
            length = f"{self.minutes:g} training minutes"
        what = "evaluating" if self.evaluate else "learning on" if self._resumed else "learning"
        which = f"setting {self.setting_path.stem}, robot {self.robot.name}, seed {self.seed}"
        return f"{what}, {self.wiring}, {which}, {length}"

    def _run_dir(self) -> str:
        if self._resumed:
            return str(self._resumed.folder)
        given = self._values["run_dir"]
        if given != "auto":
            if given and (Path(given).expanduser() / "episodes.csv").exists():
                raise ValueError(f"run_dir:={given} already holds a run: resume:={given} goes on with it")
            return os.path.abspath(os.path.expanduser(given)) if given else ""
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        what = "evaluate" if self.evaluate else self.setting_path.stem
        return os.path.abspath(f"runs/{stamp}_{what}_{self.robot.name}_seed{self.seed}")


def _setting_name(wiring: str, name: str) -> str:
    if name.endswith((".yaml", ".yml")):
        return name
    if name == "auto":
        name = "baseline" if _cuda() else "lite"
    full = f"{wiring}_{name}"
    if not (config_dir() / "settings" / f"{full}.yaml").is_file():
        known = sorted(p.stem.split("_", 1)[1] for p in (config_dir() / "settings").glob(f"{wiring}_*.yaml"))
        names = ", ".join([*known, "auto"])
        raise ValueError(f"unknown setting {name!r}: there are {names}, or give the path of a .yaml file")
    return full


def _cuda() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    import torch  # takes seconds: only where there may be a GPU

    return torch.cuda.is_available()


def _number(name: str, text: str, kind: Callable[[str], Any]) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{name}:={text} is not a number") from None
    if not 0 <= value < 1e9:
        raise ValueError(f"{name}:={text} is not allowed: 0 or more")
    return value


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
        sigterm_timeout=_SLOW_TO_STOP,
        sigkill_timeout="10",
    )
    return name, node


def _end(name: str) -> Callable[[ProcessExited, LaunchContext], list[LaunchDescriptionEntity] | None]:
    """The whole graph ends with any of its nodes; a failure becomes the exit code of the launch."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown:
            if event.returncode not in _ASKED_FOR:
                raise RuntimeError(f"{name} ended with exit code {event.returncode}")
            return None
        if event.returncode == 0 and name == "environment":
            return [Shutdown(reason="the run is complete")]
        if event.returncode == 0:
            return [Shutdown(reason=f"{name} ended")]
        raise RuntimeError(f"{name} died with exit code {event.returncode}; the reason is in its lines above")

    return on_exit


def _viewers(values: dict[str, str]) -> list[LaunchDescriptionEntity]:
    """RViz and rqt where they are asked for and installed; they may be closed without ending the run."""
    made: list[LaunchDescriptionEntity] = []
    viewers = {
        "rviz": ("rviz2", "rviz2", "rviz2", ["-d", str(config_dir() / "rviz" / "reacher.rviz")]),
        "rqt": (
            "rqt_gui",
            "rqt_gui",
            "rqt-common-plugins",
            ["--perspective-file", str(config_dir() / "rqt" / "reacher.perspective")],
        ),
    }
    for argument, (package, executable, debian, arguments) in viewers.items():
        if values[argument] != "true":
            continue
        if _installed(package):
            made.append(Node(package=package, executable=executable, arguments=arguments, output="log"))
        else:
            how = f"sudo apt install ros-$ROS_DISTRO-{debian}"
            made.append(LogInfo(msg=f"{argument}:=true, but {package} is not installed: {how}"))
    return made


def _installed(package: str) -> bool:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return any(Path(p, "share", package).is_dir() for p in prefixes if p)
