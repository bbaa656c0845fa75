"""Specification of an experiment: variants, seeds and runs, resolved completely before the first run starts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_digest import model_digest
from franka_reacher_rl.core.base.documents import load_json, load_yaml
from franka_reacher_rl.core.base.fields import Checked, from_mapping, param, to_mapping
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.virtual.latency import Latency, load_latency

MOST_SEEDS, MOST_EPISODES = 10_000, 1_000_000
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")  # of a variant, which names a folder
_VARIANT_KEYS = ("setting", "wiring", "robot", "latency", "latency_set", "command_timeout", "set", "group", "x")
_PRESET_KEYS = ("description", "question", "x_label", "beside_paper", "seeds", "episodes", "common", "variants")


@dataclass(frozen=True, kw_only=True)
class Variant(Checked):
    """One of the configurations that an experiment compares."""

    name: str = param(description="name of the variant")
    setting_name: str = param(description="name of the setting file that it starts from")
    wiring: str = param(description="launch file whose wiring connects the loop", choices=("sync", "async"))
    robot: str = param("panda_sim", "robot file: a name or a path")
    robot_digest: str = param("", "digest of the robot file's values")
    model_digest: str = param("", "digest of the robot's URDF and MJCF and of the simulated scene")
    command_timeout: float | None = param(
        None, "command timeout of the bridge; null: that of the robot file", unit="s", minimum=0.01
    )
    group: str = param("", "line of a sweep's figure that the variant belongs to")
    x: float | None = param(None, "value of the swept quantity")
    latency: Latency = field(default_factory=Latency)
    setting: Setting = field(default_factory=Setting)

    @property
    def digest(self) -> str:
        """Digest of everything that can change a result, which leaves out name, group and x."""
        return digest({k: v for k, v in to_mapping(self).items() if k not in ("name", "group", "x")})


@dataclass(frozen=True, kw_only=True)
class Run(Checked):
    """One run: a variant with a seed."""

    seed: int = param(0, "seed of all random numbers", minimum=0)
    episodes: int = param(1, "number of episodes", minimum=1)
    variant: Variant = param(description="the configuration")

    @property
    def folder(self) -> str:
        """The run's folder, relative to the experiment's."""
        return f"runs/{self.variant.name}/seed{self.seed}"

    @property
    def digest(self) -> str:
        """Digest of everything that can change the result."""
        return digest({"seed": self.seed, "episodes": self.episodes, "variant": self.variant.digest})

    def write(self, path: Path) -> None:
        """Write the run as JSON."""
        write_atomic(path, json.dumps(to_mapping(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a run that `write` has written.

        Raises:
            ValueError: The file cannot be read or is not a run; the message names it.
        """
        try:
            values = load_json(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is not the specification of a run: {error}") from None
        return from_mapping(cls, values, str(path))


@dataclass(frozen=True)
class Experiment:
    """Variants to compare, each run with the same seeds and number of episodes."""

    preset: str  # name; empty if the settings were named one by one
    description: str
    question: str  # that the experiment answers
    x_label: str  # name and unit of the swept quantity
    beside_paper: bool  # the variants are settings of the paper, so that reports compare with its results
    episodes: int  # per run
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]

    @property
    def runs(self) -> list[Run]:
        """All runs, ordered by seed, so that an interrupted experiment has runs of every variant."""
        return [Run(variant=v, seed=s, episodes=self.episodes) for s in self.seeds for v in self.variants]


def make_experiment(
    preset: str = "",
    settings: Sequence[str] = (),
    seeds: str = "",
    episodes: int = 0,
    latency: str = "",
    changes: Mapping[str, Any] | None = None,
) -> Experiment:
    """Resolve presets and setting files into an experiment.

    Args:
        preset: A preset of `config/presets/`, or the path of one; empty for none.
        settings: With a preset, the variants to take from it; otherwise settings of `config/settings/`, or paths.
        seeds: Seeds as `parse_seeds` reads them; empty for the preset's, or seed 0 without one.
        episodes: Per run; 0 for the preset's, or 720 as in the paper without one.
        latency: A latency profile in place of the preset's; empty for the preset's, or `lab` without one.
        changes: Nested values that replace those of every setting.

    Raises:
        ValueError: A name is unknown or a value is not allowed; the message lists what is known.
    """
    document = _read_preset(preset) if preset else {}
    rows: dict[str, Any] = document.get("variants") or {Path(s).stem: {"setting": s} for s in settings}
    if not rows:
        raise ValueError("nothing to run: give --preset NAME, or --settings with names from config/settings")
    unknown = [s for s in settings if s not in rows]
    if unknown:
        raise ValueError(f"preset {preset!r} has no variant {unknown[0]!r}: its variants are {', '.join(rows)}")
    chosen = {name: rows[name] or {} for name in settings or rows}
    common = document.get("common") or {}
    variants = [_variant(name, {**common, **row}, common, latency, changes or {}) for name, row in chosen.items()]
    return Experiment(
        preset=Path(preset).stem,
        description=str(document.get("description", "")).strip(),
        question=str(document.get("question", "")).strip(),
        x_label=str(document.get("x_label", "")),
        beside_paper=bool(document.get("beside_paper", not preset)),
        episodes=episodes or int(document.get("episodes", 720)),
        seeds=parse_seeds(seeds or str(document.get("seeds", "0"))),
        variants=tuple(variants),
    )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds written as `3`, `0,2,5` or `0:5`, which is 0 to 4.

    Raises:
        ValueError: The text has another form, or a seed is negative or repeated.
    """
    try:
        if ":" in text:
            low, high = (int(part) for part in text.split(":"))
            seeds = tuple(range(low, min(high, low + MOST_SEEDS + 1)))
        else:
            seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"seeds = {shortened(repr(text))} is not allowed: write 3, 0,2,5 or 0:5 (which is 0 to 4)"
        ) from None
    if not 0 < len(seeds) <= MOST_SEEDS or min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise ValueError(
            f"seeds = {shortened(repr(text))} is not allowed: give 1 to {MOST_SEEDS} seeds, each once and none negative"
        )
    return seeds


def is_name(name: object) -> bool:
    """Return whether a variant may have this name, which is also that of a folder."""
    return isinstance(name, str) and len(name) <= 100 and _NAME.fullmatch(name) is not None


def digest(values: Any) -> str:
    """Return 16 hexadecimal digits that identify values of mappings, lists, texts and numbers."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _read_preset(name: str) -> dict[str, Any]:
    path = find_yaml("presets", name)
    document = load_yaml(path)
    if not isinstance(document, dict) or not isinstance(document.get("variants"), dict):
        raise ValueError(f"{path} is not a preset: 'variants:' is missing")
    _check_keys(document, _PRESET_KEYS, str(path))
    episodes = document.get("episodes", 1)
    if not isinstance(episodes, int) or not 1 <= episodes <= MOST_EPISODES:
        raise ValueError(f"{path}: episodes = {shortened(episodes)} is not allowed: 1 to {MOST_EPISODES}")
    for variant, row in document["variants"].items():
        _check_row(row or {}, f"{path}: {shortened(variant)}")
    _check_row(document.get("common") or {}, f"{path}: common")
    return document


def _check_row(row: Any, where: str) -> None:
    _check_keys(row, _VARIANT_KEYS, where)
    for key in ("set", "latency_set"):
        if not isinstance(row.get(key) or {}, dict):
            raise ValueError(f"{where}: {key} = {shortened(row[key])} is not a mapping of names to values")


def _check_keys(values: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: expected a mapping of {', '.join(known)}; got {shortened(values)}")
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ValueError(f"{where}: unknown key {shortened(repr(unknown[0]))}; allowed are {', '.join(known)}")


def _variant(
    name: str, row: Mapping[str, Any], common: Mapping[str, Any], latency: str, changes: Mapping[str, Any]
) -> Variant:
    if not is_name(name):
        raise ValueError(
            f"variant {shortened(repr(name))} is not allowed: a name has letters, digits, '.', '_', '+' or '-'"
        )
    source = str(row.get("setting", name))
    values = Setting.load(source).to_mapping()
    for part in (common.get("set"), row.get("set"), changes):
        values = _merged(values, part or {})
    setting = from_mapping(Setting, values, f"variant {name}")
    setting_name = Path(source).stem
    robot_name = str(row.get("robot", "panda_sim"))
    robot = Robot.load(robot_name)
    return Variant(
        name=name,
        setting_name=setting_name,
        wiring=str(row.get("wiring", setting_name.partition("_")[0])),
        robot=robot_name,
        robot_digest=digest(dataclasses.asdict(robot)),
        model_digest=model_digest(robot),
        command_timeout=row.get("command_timeout"),
        group=str(row.get("group", "")),
        x=row.get("x"),
        latency=load_latency(latency or str(row.get("latency", "lab")), setting_name, row.get("latency_set")),
        setting=setting,
    )


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; values of `changes` replace those of `values`."""
    merged = dict(values)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
