"""The nodes of a run and their parameters, from the launch arguments."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from rclpy.exceptions import InvalidNamespaceException
from rclpy.validate_namespace import validate_namespace

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import PACKAGE, find_yaml, scratch_folder
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.base.suggestions import did_you_mean
from franka_reacher_rl.core.loop.wiring import LEARNER_PART, ON_REQUEST, wires
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE
from franka_reacher_rl.core.run.run_folder import EPISODES, KEPT_ARGUMENTS, Resumed
from franka_reacher_rl.launching.arguments import REPLACEMENTS, check_choices, number
from franka_reacher_rl.launching.parameter_file import check_parameter_file
from franka_reacher_rl.launching.policies import chosen_setting, policy_file
from franka_reacher_rl.launching.two_machines import Part, check_part, run_folder, run_name

# SCHED_FIFO priorities of the nodes between the capture of a frame and its command. None of them waits for the learner.
REALTIME = {
    "command_guard": 30,
    "robot_bridge": 30,
    "environment": 20,
    "actor": 20,
    "reward": 15,
    "camera": 15,
    "sim_robot": 15,
}

STATE_PUBLISHER = "robot_state_publisher"  # the name of the node that publishes transforms

# Niceness of the nodes that only listen. They also yield to the others while all load their libraries.
NICE = "REACHER_NICENESS"  # environment variable that a node's script reads
NICENESS = dict.fromkeys(("display", "recorder", "robot_recorder", "viewer", "bag_recorder", STATE_PUBLISHER), 10)

LEARNER_TIMEOUT = 10.0  # s without a sign of life of the learner after which no episode begins
# Least time between policies sent to another host, s. In sync the actor waits for each one.
POLICY_PERIOD = {"sync": 0.0, "async": 0.5}

# Nodes whose executable has another name.
_EXECUTABLES = {"robot_recorder": "recorder"}

_IMAGES = "camera/image_raw"
BAG = "run.mcap"  # in the run folder


@dataclass(frozen=True)
class Executable:
    """The program of a node."""

    package: str
    name: str

    @property
    def foreign(self) -> bool:
        """Whether it belongs to another package."""
        return self.package != PACKAGE


class Plan:
    """The nodes of a run, or of one part of it, and their parameters.

    Raises:
        ValueError: An argument is not allowed; the message says what is.
    """

    def __init__(self, wiring: str, values: dict[str, str], part: Part = Part.ALL) -> None:
        check_choices(values)
        self.part = part
        # A resumed run has a new identifier, so that leftovers of its earlier part are refused too.
        self.run_id = uuid.uuid4().hex if part is Part.ALL else run_name(values["run"], part)
        if part is not Part.ALL:
            check_part(values, part)
        self._resumed = Resumed(values["resume"], wiring) if values["resume"] else None
        self._values = values = values | (self._resumed.arguments if self._resumed else {})
        self.wiring = wiring
        self.namespace = _namespace(values["namespace"])
        self.frame_prefix = _frame_prefix(values["frame_prefix"], self.namespace)
        self.evaluate = values["evaluate"] == "true"
        self.robot_file = str(find_yaml("robots", values["robot"]))
        self.robot = Robot.load(self.robot_file)
        self.policy_file = policy_file(values["policy"], self.robot.name, evaluate=self.evaluate)
        self.setting_path = chosen_setting(values["setting"], values["policy"], self.robot.name, wiring)
        Setting.load(self.setting_path)
        self.seed = number("seed", values["seed"], int)
        self.episodes = number("episodes", values["episodes"], int)
        self.minutes = number("training_minutes", values["training_minutes"], float)
        self._executables = {node: _executable(name, values[name]) for name, node in REPLACEMENTS.items()}
        if part is not Part.LEARNER:
            self._check_camera()
        self._check_earlier_run()
        self.params_file = _absolute(values["params_file"])
        if self.params_file:
            check_parameter_file(
                Path(self.params_file), [f"{self.namespace}/{name}" for name in (*self.nodes, STATE_PUBLISHER)]
            )
        self.run_dir = self._run_dir()

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes of this run, or of its part."""
        left_out = set() if self.robot.simulated else {"sim_robot"}
        # A driver with a deadline of its own needs no guard, and another package's bridge brings what it needs.
        guarded = self.robot.driver.name == "topic" and not self.executable("robot_bridge").foreign
        left_out |= set() if guarded else {"command_guard"}
        left_out |= {"learner"} if self.evaluate else set()
        left_out |= {"camera"} if self._values["image_topic"] else set()
        left_out |= {node for argument, node in ON_REQUEST.items() if self._values[argument] != "true"}
        if self.part is not Part.ALL:
            left_out |= {name for name in self._wires if (name in LEARNER_PART) != (self.part is Part.LEARNER)}
        return [name for name in self._wires if name not in left_out]

    @property
    def _wires(self) -> dict[str, dict[str, str]]:
        return wires(self.wiring, evaluate=self.evaluate, two_machines=self.part is not Part.ALL)

    @property
    def command_topic(self) -> str:
        """The full name of the command topic of a real arm behind a controller; empty: there is none."""
        if self.robot.driver.name != "topic" or self.robot.simulated:
            return ""
        topic = self.robot.driver.command_topic
        return topic if topic.startswith("/") else f"{self.namespace}/{topic}"

    def executable(self, node: str) -> Executable:
        """Return the program of a node."""
        return self._executables.get(node) or Executable(PACKAGE, _EXECUTABLES.get(node, node))

    def remappings(self, node: str) -> list[tuple[str, str]]:
        """Return a node's remappings: its inputs and, of another package's node, its outputs.

        Such a node may name an output `x` or `~/x`, since the graph expects `<node>/x`.
        """
        graph = self._wires
        images = self._values["image_topic"] or _IMAGES
        inputs = {name: images if output == _IMAGES else output for name, output in graph[node].items()}
        if self.executable(node).foreign:
            outputs = {output for fed in graph.values() for output in fed.values() if output.startswith(f"{node}/")}
            inputs |= {output.split("/")[1]: output for output in sorted(outputs)}
        return list(inputs.items())

    def parameters(self, node: str) -> dict[str, Any]:
        """Return the parameters of a node that the launch arguments set."""
        values = self._values
        robot = self.robot_file
        length: dict[str, Any] = {"episodes": self.episodes, "training_minutes": self.minutes}
        done = self._resumed.counters if self._resumed else {}
        frames = {"frame_prefix": self.frame_prefix}
        own: dict[str, dict[str, Any]] = {
            "camera": {
                "source": values["camera"],
                "robot": robot,
                "camera_info_url": values["camera_info_url"],
                **frames,
            },
            "environment": {
                "robot": robot,
                "seed": self.seed,
                "learner_timeout": 0.0 if self.evaluate else LEARNER_TIMEOUT,
                "progress": self._progress_file(),
                **{f"run.{name}": value for name, value in (length | done).items()},
            },
            "actor": {
                "robot": robot,
                "seed": self.seed,
                "policy": self.policy_file,
                "evaluate": self.evaluate,
            },
            "learner": {
                "robot": robot,
                "seed": self.seed,
                "run_dir": self.run_dir,
                "resume": self._resumed is not None,
                "resume_weights": _absolute(values["resume_weights"]),
                "seed_replay": _absolute(values["seed_replay"]),
                "policy_period": POLICY_PERIOD[self.wiring],
                "end_with_run": self.part is Part.LEARNER,
                "learner.device": values["device"],
            },
            "uplink": {"run_dir": self.run_dir},
            "robot_bridge": {"robot": robot, "address": values["address"], **frames},
            "command_guard": {"robot": robot},
            "sim_robot": {"robot": robot, **frames},
            "display": {"robot": robot, **frames},
            "viewer": {"robot": robot, "wiring": self.wiring},
            "bag_recorder": {"path": str(Path(self.run_dir or ".") / BAG)},
            "recorder": {
                "robot": robot,
                "robot_source": self._resumed.robot_source if self._resumed else robot,
                "setting": str(self.setting_path),
                "wiring": self.wiring,
                **{name: values[name] for name in ("camera", *KEPT_ARGUMENTS)},
                "params_file": self.params_file,
                "policy": self.policy_file,
                "resume_weights": _absolute(values["resume_weights"]),
                "seed_replay": _absolute(values["seed_replay"]),
                "evaluate": self.evaluate,
                "run_dir": self.run_dir,
                "seed": self.seed,
                **length,
            },
        }
        own["robot_recorder"] = own["recorder"]
        return {"run_id": self.run_id, **own.get(node, {})}

    def log_level(self, node: str) -> str:
        """Return the lowest severity that a node logs. The recorder's lines are the run's output and always shown."""
        level = self._values["log_level"]
        return "info" if self.records(node) and level != "debug" else level

    def records(self, node: str) -> bool:
        """Return whether a node is a recorder, whose lines are the run's output."""
        return self.executable(node) == Executable(PACKAGE, "recorder")

    def priority(self, node: str) -> int:
        """Return a node's real-time priority; 0: ordinary scheduling."""
        return REALTIME.get(node, 0) if self._values["realtime"] == "auto" else 0

    def summary(self) -> str:
        """Describe the run in one line for the user."""
        length = f"{self.episodes} episodes" if self.episodes else "until stopped"
        if self.minutes:
            length = f"{self.minutes:g} training minutes"
        what = "evaluating" if self.evaluate else "resuming" if self._resumed else "learning"
        what += " from the networks of an earlier run" if self._values["resume_weights"] else ""
        what += " with the replay of an earlier run" if self._values["seed_replay"] else ""
        which = f"setting {self.setting_path.stem}, robot {self.robot.name}, seed {self.seed}"
        where = f", namespace {self.namespace}" if self.namespace else ""
        what += f" (run {self.run_id}, the {self.part.value}'s part)" if self.part is not Part.ALL else ""
        warning = f"; {self._resumed.warning}" if self._resumed and self._resumed.warning else ""
        return f"{what}, {self.wiring}, {which}{where}, {length}{warning}"

    def _check_camera(self) -> None:
        replaced = self._values["image_topic"] or self._values["camera_node"]
        if self._values["image_topic"] and self._values["camera_node"]:
            raise ValueError("image_topic names a camera that is running already: leave out image_topic or camera_node")
        if self._values["camera"] == "simulated" and not self.robot.simulated and not replaced:
            raise ValueError(
                f"camera:=simulated renders the simulated arm, but robot {self.robot.name!r} is not simulated. Give "
                "camera:=/dev/video0 or another device, camera:=VIDEO_FILE, image_topic:=TOPIC or "
                "camera_node:=PACKAGE/EXECUTABLE"
            )

    def _check_earlier_run(self) -> None:
        for name, kinds in (
            ("resume_weights", "a run folder, a checkpoint or a policy.safetensors"),
            ("seed_replay", "a run folder, or a folder written by relabel"),
        ):
            given = self._values[name]
            if given and (self._resumed or self.evaluate):
                other = "resume" if self._resumed else "evaluate"
                raise ValueError(f"{name}:={given} starts a new run: leave out {other} or {name}")
            if given and not Path(given).expanduser().exists():
                raise ValueError(f"{name}:={given} does not exist: give {kinds}")

    def _progress_file(self) -> str:
        """Return where the environment keeps its progress; without a run folder, only for as long as the run lasts."""
        folder = Path(self.run_dir) if self.run_dir else scratch_folder(self.run_id)
        return str(folder / PROGRESS_FILE)

    def _run_dir(self) -> str:
        if self._resumed:
            return str(self._resumed.folder)
        given = self._values["run_dir"]
        if self.part is not Part.ALL:
            return run_folder(given, self.run_id, self.part)
        if given != "auto":
            if given and (Path(given).expanduser() / EPISODES).exists():
                raise ValueError(f"run_dir:={given} already contains a run: resume it with resume:={given}")
            return _absolute(given)
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        what = "evaluate" if self.evaluate else self.setting_path.stem
        where = self.namespace.replace("/", "_")
        return os.path.abspath(f"runs/{stamp}{where}_{what}_{self.robot.name}_seed{self.seed}")


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def _namespace(given: str) -> str:
    """Return a namespace with a leading and without a trailing slash; empty: none."""
    namespace = f"/{given.strip('/')}" if given.strip("/") else ""
    try:
        validate_namespace(namespace or "/")
    except InvalidNamespaceException as error:
        raise ValueError(f"namespace:={given} is not allowed: {str(error).splitlines()[0]}") from None
    return namespace


def _frame_prefix(given: str, namespace: str) -> str:
    """Return the prefix of TF frames, as robot_state_publisher uses it, for example `left/`."""
    return (f"{namespace[1:]}/" if namespace else "") if given == "auto" else given


def _executable(argument: str, given: str) -> Executable | None:
    """Return the program that `package/executable` names; None: nothing is given.

    Raises:
        ValueError: There is no such program.
    """
    if not given:
        return None
    package, _, name = given.partition("/")
    if not (package and name):
        raise ValueError(f"{argument}:={given} is not allowed: give PACKAGE/EXECUTABLE")
    try:
        folder = Path(get_package_prefix(package)) / "lib" / package
    except (PackageNotFoundError, ValueError):
        raise ValueError(f"{argument}:={given}: there is no package {package!r}: build it and source it") from None
    known = sorted(path.name for path in folder.glob("*") if os.access(path, os.X_OK) and path.is_file())
    if name not in known:
        hint = did_you_mean(name, known)
        there = ", ".join(known) or "none"
        raise ValueError(f"{argument}:={given}: the package has no {name!r}{hint}: there are {there}")
    return Executable(package, name)
