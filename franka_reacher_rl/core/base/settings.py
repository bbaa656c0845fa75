"""The settings of an experiment: one dataclass per part, a sentence per field.

A setting is a ROS parameter file (`config/settings/*.yaml`), so the same file serves `ros2 run`, the launch
files and the experiments without ROS. Every node declares the sections it needs from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.base.fields import Checked, from_mapping, param, to_mapping
from franka_reacher_rl.core.base.paths import config_dir, find_yaml
from franka_reacher_rl.core.base.suggestions import did_you_mean


@dataclass(frozen=True)
class ImageSettings(Checked):
    """The frames the agent sees."""

    width: int = param(160, "width of a frame", unit="px", minimum=16, maximum=1920)
    height: int = param(90, "height of a frame", unit="px", minimum=16, maximum=1080)
    frames: int = param(3, "consecutive frames in a stack", minimum=1, maximum=8)
    crop_fraction: float = param(
        0.01, "radius of the random crop as a fraction of width and height", minimum=0.0, maximum=0.2
    )

    @property
    def crop_radius(self) -> tuple[int, int]:
        """Rows and columns of the crop's radius; crops start at 0 to twice this, acting crops at this."""
        return round(self.crop_fraction * self.height), round(self.crop_fraction * self.width)

    @property
    def channels(self) -> int:
        """Channels of a stack of RGB frames."""
        return 3 * self.frames


@dataclass(frozen=True)
class RewardSettings(Checked):
    """Eq. (3) of the paper: reward = alpha * cycle_ms * mean(mask)."""

    alpha: float = param(0.25, "reward per millisecond with the whole frame covered", minimum=0.0, live=True)
    bands: list[int] = param(
        [151, 155, 84, 179, 255, 255, 0, 155, 84, 10, 255, 255],
        "HSV bands of the target's colour, six numbers each: low h, s, v and high h, s, v (OpenCV: h to 179)",
        minimum=0,
        maximum=255,
        live=True,
    )
    dilate: int = param(5, "dilations of the mask, 3x3", minimum=0, maximum=50, live=True)
    erode: int = param(5, "erosions of the mask after dilating, 3x3", minimum=0, maximum=50, live=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bands or len(self.bands) % 6:
            raise ValueError(f"bands has {len(self.bands)} numbers: give six a band (low h, s, v, high h, s, v)")
        for i in range(0, len(self.bands), 6):
            low, high = self.bands[i : i + 3], self.bands[i + 3 : i + 6]
            if any(a > b for a, b in zip(low, high, strict=True)):
                raise ValueError(f"bands: low {low} is above high {high}; write a hue that wraps as two bands")
            if high[0] > 179:
                raise ValueError(f"bands: hue {high[0]} is not allowed: 0 to 179")


@dataclass(frozen=True)
class EpisodeSettings(Checked):
    """The action cycle and the length of an episode."""

    cycle_ms: float = param(40.0, "action cycle time", unit="ms", minimum=5.0, maximum=1000.0)
    seconds: float = param(6.0, "length of an episode", unit="s", minimum=0.1, maximum=600.0)
    action_timeout: float = param(
        2.0, "without an action for this long the robot is stopped and the episode truncated", unit="s", minimum=0.05
    )
    late_ms: float = param(5.0, "a cycle later than this counts as late", unit="ms", minimum=0.0)

    @property
    def steps(self) -> int:
        """Steps of an episode whose cycles are on time."""
        return round(self.seconds * 1000.0 / self.cycle_ms)


@dataclass(frozen=True)
class NetworkSettings(Checked):
    """Encoder, actor and critics."""

    channels: list[int] = param([32, 32, 32, 32], "output channels of the 3x3 convolutions", minimum=1)
    strides: list[int] = param([2, 2, 2, 1], "strides of the convolutions", minimum=1, maximum=4)
    hidden: list[int] = param([1024, 1024], "units of the hidden layers of actor and critics", minimum=1)
    log_std_min: float = param(-10.0, "lower bound of the policy's log standard deviation")
    log_std_max: float = param(2.0, "upper bound of the policy's log standard deviation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != len(self.strides) or not self.channels:
            raise ValueError(f"channels {self.channels} and strides {self.strides} must be as many, at least one")
        if not self.log_std_min < 0.0 < self.log_std_max:
            raise ValueError("log_std_min must be below 0 and log_std_max above: the first policy has log std 0")


@dataclass(frozen=True)
class SACSettings(Checked):
    """Soft actor-critic."""

    discount: float = param(0.99, "discount per step", minimum=0.0, maximum=1.0)
    tau: float = param(0.005, "share of the critic in its target after each update", minimum=0.0, maximum=1.0)
    learning_rate: float = param(3e-4, "Adam's step size for actor, critic and temperature", minimum=0.0)
    initial_temperature: float = param(0.1, "temperature at the start", minimum=1e-6)
    temperature_beta1: float = param(0.5, "Adam's first beta for the temperature", minimum=0.0, maximum=0.9999)
    target_entropy: float | None = param(None, "entropy the temperature aims at; null: minus the action's size")


@dataclass(frozen=True)
class LearnerSettings(Checked):
    """Replay, update budget, and how the learner uses the machine."""

    batch_size: int = param(128, "transitions per update", minimum=1, maximum=8192)
    warmup_steps: int = param(5000, "steps stored before the first update", minimum=1)
    max_updates_per_step: float = param(1.0, "updates allowed per stored step after the warm-up", minimum=0.0)
    replay_capacity: int = param(100_000, "steps kept in the replay", minimum=100)
    device: str = param("auto", "where updates run; auto: CUDA where there is one", choices=("auto", "cpu", "cuda"))
    precision: str = param(
        "float32",
        "arithmetic of the encoder's convolutions; auto: bfloat16 where the processor has it, else float32",
        choices=("auto", "float32", "bfloat16"),
    )
    extra_update_time: float = param(
        0.0, "added to every update, to see what a slower learner would do", unit="s", minimum=0.0, maximum=60.0
    )
    threads: int = param(0, "threads of the learner's arithmetic; 0: all cores", minimum=0, maximum=256)
    nice: int = param(10, "niceness of the learner's process: higher yields to the control path", minimum=0, maximum=19)
    cores: str = param("", "cores the learner stays on, for example 1,2-3; empty: all")
    prefetch: bool = param(True, "sample the next batch on another thread while this one is learned from")
    replay_on_device: bool = param(False, "keep a copy of the replay's frames in the device's memory")
    checkpoint_period: float = param(60.0, "time between checkpoints; 0: none", unit="s", minimum=0.0)


@dataclass(frozen=True)
class Setting(Checked):
    """Everything an experiment is set to, apart from the robot and the seed."""

    image: ImageSettings = field(default_factory=ImageSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    episode: EpisodeSettings = field(default_factory=EpisodeSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    sac: SACSettings = field(default_factory=SACSettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)

    @classmethod
    def load(cls, name: str | Path) -> Setting:
        """Read a setting, given by the path of a YAML file or by a name such as `async_baseline`.

        Raises:
            ValueError: No such setting, or something in it is not allowed.
        """
        path = setting_path(str(name))
        try:
            document = yaml.safe_load(path.read_text())
            values: dict[str, Any] = document["/**"]["ros__parameters"]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a ROS parameter file with '/**: ros__parameters:' ({error})") from None
        return from_mapping(cls, values, str(path))

    def to_mapping(self) -> dict[str, Any]:
        """Nested plain values, fit for YAML."""
        return to_mapping(self)


def setting_path(name: str, wiring: str = "", *, default_wiring: str = "") -> Path:
    """Return the file of a setting, given by a path, by its full name or by its name without the wiring.

    Args:
        name: A path ending in .yaml, a full name such as `async_baseline`, or a bare name such as `baseline`.
        wiring: The wiring that the setting must be for, `sync` or `async`; empty: either.
        default_wiring: The wiring of a bare name where either wiring is allowed; empty: a bare name is an error.

    Raises:
        ValueError: There is no such setting, or its wiring is missing or wrong; the message says what to write instead.
    """
    if name.endswith((".yaml", ".yml")):
        return find_yaml("settings", name)
    files = {path.stem: path for path in sorted((config_dir() / "settings").glob("*.yaml"))}
    prefix, _, bare = name.partition("_")
    if name in files and wiring in ("", prefix):
        return files[name]
    if name in files:
        raise ValueError(f"setting {name!r} is for the {prefix} wiring, not for {wiring}: give '{wiring}_{bare}'")
    full = f"{wiring or default_wiring}_{name}"
    if full in files:
        return files[full]
    wired = [stem for stem in files if stem.partition("_")[2] == name]
    if wired and not wiring:
        raise ValueError(f"setting {name!r} needs a wiring: give {' or '.join(map(repr, wired))}")
    allowed = [stem for stem in files if stem.startswith(wiring)]
    shown = sorted({stem.partition("_")[2] for stem in allowed}) if wiring or default_wiring else allowed
    hint = did_you_mean(name, [*shown, *allowed])
    raise ValueError(f"no setting {name!r}{hint}: there are {', '.join(shown)}, or give the path of a .yaml file")
