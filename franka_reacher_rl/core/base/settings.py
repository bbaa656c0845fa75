"""The settings of an experiment, with one dataclass per section.

A setting is stored as a ROS parameter file (`config/settings/*.yaml`), so the same file serves `ros2 run`, the launch
files and the experiments without ROS. Every node declares the sections that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.fields import Checked, from_mapping, param, to_mapping
from franka_reacher_rl.core.base.paths import config_dir, find_yaml
from franka_reacher_rl.core.base.suggestions import did_you_mean


@dataclass(frozen=True)
class ImageSettings(Checked):
    """Size and number of the frames that the agent observes."""

    width: int = param(160, "frame width", unit="px", minimum=16, maximum=1920)
    height: int = param(90, "frame height", unit="px", minimum=16, maximum=1080)
    frames: int = param(3, "number of consecutive frames in a stack", minimum=1, maximum=8)
    crop_fraction: float = param(
        0.01, "radius of the random crop as a fraction of width and height", minimum=0.0, maximum=0.2
    )

    @property
    def crop_radius(self) -> tuple[int, int]:
        """Radius of the random crop in rows and columns.

        A training crop starts at 0 to twice the radius, a crop for acting at the radius.
        """
        return round(self.crop_fraction * self.height), round(self.crop_fraction * self.width)

    @property
    def channels(self) -> int:
        """Number of channels of a stack of RGB frames."""
        return 3 * self.frames


@dataclass(frozen=True)
class RewardSettings(Checked):
    """The reward of eq. (3) of the paper: alpha * cycle_ms * mean(mask)."""

    alpha: float = param(
        0.25, "reward per millisecond while the target covers the whole frame", minimum=0.0, maximum=1000.0, live=True
    )
    bands: list[int] = param(
        [151, 155, 84, 179, 255, 255, 0, 155, 84, 10, 255, 255],
        "HSV bands of the target's colour, six numbers per band: low h, s, v, then high h, s, v (OpenCV: h up to 179)",
        minimum=0,
        maximum=255,
        live=True,
    )
    dilate: int = param(5, "number of 3x3 dilations of the mask", minimum=0, maximum=50, live=True)
    erode: int = param(5, "number of 3x3 erosions of the mask after the dilations", minimum=0, maximum=50, live=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bands or len(self.bands) % 6:
            raise ValueError(f"bands has {len(self.bands)} numbers: give six per band (low h, s, v, high h, s, v)")
        for i in range(0, len(self.bands), 6):
            low, high = self.bands[i : i + 3], self.bands[i + 3 : i + 6]
            if any(a > b for a, b in zip(low, high, strict=True)):
                raise ValueError(f"bands: low {low} is above high {high}; split a hue range that wraps into two bands")
            if high[0] > 179:
                raise ValueError(f"bands: hue {high[0]} is not allowed: 0 to 179")


@dataclass(frozen=True)
class EpisodeSettings(Checked):
    """Action cycle time and episode length."""

    cycle_ms: float = param(40.0, "action cycle time", unit="ms", minimum=5.0, maximum=1000.0)
    seconds: float = param(6.0, "episode length", unit="s", minimum=0.1, maximum=600.0)
    action_timeout: float = param(
        2.0,
        "time without an action after which the robot is stopped and the episode is truncated",
        unit="s",
        minimum=0.05,
        maximum=3600.0,
    )
    late_ms: float = param(5.0, "delay above which a cycle counts as late", unit="ms", minimum=0.0)
    success_coverage: float = param(
        0.25, "share of the image that the target must cover for a success", minimum=0.0, maximum=1.0
    )
    success_seconds: float = param(1.0, "time for which it must cover that share", unit="s", minimum=0.0, maximum=600.0)

    @property
    def steps(self) -> int:
        """Number of steps of an episode whose cycles are all on time."""
        return round(self.seconds * 1000.0 / self.cycle_ms)


@dataclass(frozen=True)
class NetworkSettings(Checked):
    """Sizes of encoder, actor and critics."""

    channels: list[int] = param([32, 32, 32, 32], "output channels of each 3x3 convolution", minimum=1, maximum=4096)
    strides: list[int] = param([2, 2, 2, 1], "stride of each convolution", minimum=1, maximum=4)
    hidden: list[int] = param([1024, 1024], "units of each hidden layer of actor and critics", minimum=1, maximum=65536)
    log_std_min: float = param(-10.0, "lower bound of the policy's log standard deviation")
    log_std_max: float = param(2.0, "upper bound of the policy's log standard deviation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != len(self.strides) or not self.channels:
            raise ValueError(
                f"channels {self.channels} and strides {self.strides} must have the same length, at least one"
            )
        if not self.log_std_min < 0.0 < self.log_std_max:
            raise ValueError(
                f"log_std_min = {self.log_std_min} must be below 0 and log_std_max = {self.log_std_max} above: the "
                "initial policy has log standard deviation 0"
            )


@dataclass(frozen=True)
class SACSettings(Checked):
    """Hyperparameters of soft actor-critic."""

    discount: float = param(0.99, "discount factor per step", minimum=0.0, maximum=1.0)
    tau: float = param(0.005, "step size of the target critic's exponential average", minimum=0.0, maximum=1.0)
    learning_rate: float = param(3e-4, "learning rate of Adam for actor, critics and temperature", minimum=0.0)
    initial_temperature: float = param(0.1, "initial entropy temperature", minimum=1e-6)
    temperature_beta1: float = param(0.5, "beta1 of Adam for the temperature", minimum=0.0, maximum=0.9999)
    target_entropy: float | None = param(None, "target entropy of the policy; null: minus the number of joints")


@dataclass(frozen=True)
class LearnerSettings(Checked):
    """Replay buffer, update budget and use of the computer."""

    batch_size: int = param(128, "transitions per gradient update", minimum=1, maximum=8192)
    warmup_steps: int = param(5000, "number of stored steps before the first update", minimum=1)
    max_updates_per_step: float = param(1.0, "maximum updates per step stored after the warm-up", minimum=0.0)
    replay_capacity: int = param(100_000, "capacity of the replay buffer in steps", minimum=100, maximum=100_000_000)
    device: str = param(
        "auto", "device of the updates; auto: CUDA if available, else cpu", choices=("auto", "cpu", "cuda")
    )
    precision: str = param(
        "float32",
        "arithmetic of convolutions and hidden layers; auto: bfloat16 if the processor supports it, else float32",
        choices=("auto", "float32", "bfloat16"),
    )
    tf32: bool = param(False, "multiply with 10 bits of mantissa on CUDA (TF32), also where precision is float32")
    extra_update_time: float = param(
        0.0, "time added to every update, to emulate a slower learner", unit="s", minimum=0.0, maximum=60.0
    )
    threads: int = param(0, "number of CPU threads of the learner; 0: one per core", minimum=0, maximum=256)
    nice: int = param(
        10,
        "nice value of the learner's update thread: a higher value yields to the control path",
        minimum=0,
        maximum=19,
    )
    cores: str = param("", "CPU cores of the learner, for example 1,2-3; empty: all")
    prefetch: bool = param(True, "sample the next batch in a thread while the current update runs")
    replay_on_device: bool = param(False, "keep a copy of the replay buffer's frames in device memory")
    checkpoint_period: float = param(60.0, "time between checkpoints; 0: no checkpoints", unit="s", minimum=0.0)


@dataclass(frozen=True)
class Setting(Checked):
    """All settings of an experiment except the robot and the seed."""

    image: ImageSettings = field(default_factory=ImageSettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    episode: EpisodeSettings = field(default_factory=EpisodeSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    sac: SACSettings = field(default_factory=SACSettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)

    @classmethod
    def load(cls, name: str | Path) -> Setting:
        """Load a setting by name from `config/settings/<name>.yaml`, or from the path of a YAML file.

        Raises:
            ValueError: There is no such setting, or a value in its file is not allowed.
        """
        path = setting_path(str(name))
        document = load_yaml(path)
        try:
            values: dict[str, Any] = document["/**"]["ros__parameters"]
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: not a ROS parameter file with '/**: ros__parameters:' ({error})") from None
        return from_mapping(cls, values, str(path))

    def to_mapping(self) -> dict[str, Any]:
        """Return the settings as nested mappings of plain values, fit for YAML."""
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
