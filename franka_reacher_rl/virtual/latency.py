"""Latencies in virtual time: constants or distributions, drawn reproducibly from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.fields import Checked, from_mapping, param
from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.core.base.seeding import spawn
from franka_reacher_rl.core.base.suggestions import shortened


def nanoseconds(seconds: float) -> Nanoseconds:
    """Convert seconds to whole nanoseconds, the unit of virtual time, in which sums and comparisons are exact."""
    return round(seconds * 1e9)


@dataclass(frozen=True)
class Duration(Checked):
    """A duration: constant, normally distributed, or drawn from measured samples."""

    mean_ms: float = param(0.0, "mean", unit="ms", minimum=0.0, maximum=60_000.0)
    sd_ms: float = param(0.0, "standard deviation; 0: always the mean", unit="ms", minimum=0.0, maximum=60_000.0)
    samples_ms: list[float] = param([], "measured values to draw from instead", unit="ms", minimum=0.0)

    @classmethod
    def of(cls, value: object, where: str) -> Duration:
        """Parse a duration from YAML: a number of milliseconds, or a mapping of the fields.

        Raises:
            ValueError: It is neither, or out of range.
        """
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = {"mean_ms": value}
        if not isinstance(value, Mapping):
            raise ValueError(
                f"{where}: expected milliseconds, or a mapping of mean_ms, sd_ms, samples_ms; got {shortened(value)}"
            )
        return from_mapping(cls, value, where)

    @property
    def mean(self) -> float:
        """Mean duration in s; for a normal distribution, the mean before negative draws are clipped to 0."""
        return 1e-3 * (float(np.mean(self.samples_ms)) if self.samples_ms else self.mean_ms)

    def draw(self, random: np.random.Generator) -> Nanoseconds:
        """Draw a value, which is never negative."""
        if self.samples_ms:
            return nanoseconds(1e-3 * float(random.choice(self.samples_ms)))
        if self.sd_ms:
            return nanoseconds(1e-3 * max(0.0, random.normal(self.mean_ms, self.sd_ms)))
        return nanoseconds(1e-3 * self.mean_ms)


@dataclass(frozen=True)
class Latency(Checked):
    """The latencies of a run."""

    interaction: Duration = field(default_factory=Duration)  # from acting until the command reaches the bridge
    sampling: Duration = field(default_factory=Duration)  # drawing a batch
    batch_transfer: Duration = field(default_factory=Duration)  # moving a batch to the device
    update: Duration = field(default_factory=Duration)  # one gradient update
    policy_transfer: Duration = field(default_factory=Duration)  # of a policy to the actor; the learner continues
    reset_seconds: float = param(0.0, "a reset takes at least this long", unit="s", minimum=0.0, maximum=600.0)

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Latency:
        """Parse the latencies from YAML.

        Raises:
            ValueError: Something in it is unknown or not allowed.
        """
        durations = {f.name for f in fields(cls)} - {"reset_seconds"}
        made = {k: vars(Duration.of(v, f"{where}: {k}")) if k in durations else v for k, v in (values or {}).items()}
        return from_mapping(cls, made, where)

    @property
    def learner_seconds(self) -> float:
        """Mean time that one update keeps the learner busy, s."""
        return self.sampling.mean + self.batch_transfer.mean + self.update.mean


def load_latency(name: str | Path, setting: str, changes: Mapping[str, Any] | None = None) -> Latency:
    """Load the latencies of a setting from `config/latency/<name>.yaml`, or from the path of a file.

    A profile has `cases`. The case with the name of the setting (`async_highres`) is used, else the one with its name
    without the wiring (`highres`), else `default`.

    Args:
        name: Name or path of the profile.
        setting: Name of the setting.
        changes: Values to replace those of the case.

    Raises:
        ValueError: The profile or the case does not exist, or a value in it is not allowed.
    """
    path = find_yaml("latency", str(name)) if str(name).endswith((".yaml", ".yml")) else _named(str(name))
    try:
        document = load_yaml(path)
        cases = {str(case): values or {} for case, values in document["cases"].items()}
        if not all(isinstance(values, dict) for values in cases.values()):
            raise TypeError("a case is a mapping")
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a latency profile with 'cases:' ({error})") from None
    for case in (setting, setting.partition("_")[2], "default"):
        if case in cases:
            shared = {"reset_seconds": document.get("reset_seconds", 0.0)}
            return Latency.of({**shared, **cases[case], **(changes or {})}, f"{path}: {case}")
    raise ValueError(f"{path}: no case for setting {setting!r}: there are {', '.join(cases)}; add one named 'default'")


def _named(name: str) -> Path:
    try:
        return find_yaml("latency", name)
    except ValueError as error:
        raise ValueError(str(error).replace("no latenc ", "no latency profile ")) from None


class LatencySampler:
    """Draws the durations of one run; the draws of an episode do not depend on earlier ones."""

    def __init__(self, latency: Latency, seed: int) -> None:
        self._latency, self._seed = latency, seed
        self.begin(0)

    def begin(self, episode: int) -> None:
        """Begin the draws of an episode."""
        self._random = np.random.default_rng(spawn(self._seed, "latency", episode))

    def draw(self, name: str) -> Nanoseconds:
        """Draw the duration of a field of `Latency`."""
        duration: Duration = getattr(self._latency, name)
        return duration.draw(self._random)

    @property
    def reset(self) -> Nanoseconds:
        """The shortest duration of a reset."""
        return nanoseconds(self._latency.reset_seconds)
