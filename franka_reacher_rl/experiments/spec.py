"""What an experiment consists of: presets, variants and runs, wholly resolved before anything starts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.fields import Checked, from_mapping, param, to_mapping
from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.virtual.latency import Latency, load_latency

_VARIANT_KEYS = ("setting", "wiring", "robot", "latency", "latency_set", "command_timeout", "set", "group", "x")
_PRESET_KEYS = ("description", "question", "x_label", "beside_paper", "seeds", "episodes", "common", "variants")
SETTING_GROUPS = ("image", "reward", "episode", "network", "sac", "learner")


@dataclass(frozen=True, kw_only=True)
class Variant(Checked):
    """One thing that is compared: a setting with all that virtual time needs to know."""

    name: str = param(description="of the variant")
    setting_name: str = param(description="of the setting it began as")
    wiring: str = param(description="who ticks the actor", choices=("sync", "async"))
    robot: str = param("panda_sim", "robot file: a name or a path")
    robot_digest: str = param("", "of the robot file's content")
    command_timeout: float | None = param(None, "of the bridge; null: the robot file's", unit="s", minimum=0.01)
    group: str = param("", "variants of one group are joined by a line in a sweep")
    x: float | None = param(None, "the variant's place in a sweep")
    latency: Latency = field(default_factory=Latency)
    setting: Setting = field(default_factory=Setting)

    @property
    def digest(self) -> str:
        """Of everything that can change a result; not of names and groups."""
        return digest({k: v for k, v in to_mapping(self).items() if k not in ("name", "group", "x")})


@dataclass(frozen=True, kw_only=True)
class Run(Checked):
    """One run: a variant with a seed."""

    seed: int = param(0, "of everything random", minimum=0)
    episodes: int = param(1, "to run", minimum=1)
    variant: Variant = param(description="what is run")

    @property
    def folder(self) -> str:
        """Below the experiment's folder."""
        return f"runs/{self.variant.name}/seed{self.seed}"

    @property
    def digest(self) -> str:
        """Of everything that can change the result."""
        return digest({"seed": self.seed, "episodes": self.episodes, "variant": self.variant.digest})

    def write(self, path: Path) -> None:
        """Writes the run as JSON."""
        path.write_text(json.dumps(to_mapping(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Run:
        """The inverse of write.

        Raises:
            ValueError: It is not a run.
        """
        try:
            return from_mapping(cls, json.loads(path.read_text()), str(path))
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: not a run ({error})") from None


@dataclass(frozen=True)
class Experiment:
    """Variants, seeds and a length."""

    preset: str  # empty: none
    description: str
    question: str
    x_label: str
    beside_paper: bool  # whether its variants are the paper's settings
    episodes: int
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]

    @property
    def runs(self) -> list[Run]:
        """Seed by seed, so that an experiment that is cut short has all variants."""
        return [Run(variant=v, seed=s, episodes=self.episodes) for s in self.seeds for v in self.variants]


def make_experiment(
    preset: str = "",
    settings: Sequence[str] = (),
    seeds: str = "",
    episodes: int = 0,
    latency: str = "",
    changes: Mapping[str, Any] | None = None,
) -> Experiment:
    """Puts an experiment together.

    Args:
        preset: Of `config/presets/`, or a path; empty: none.
        settings: With a preset, which of its variants; without, settings of `config/settings/` or paths.
        seeds: As `parse_seeds` reads it; empty: the preset's, else seed 0.
        episodes: 0: the preset's, else 720, the paper's.
        latency: Replaces the preset's profile; empty: the preset's, else `lab`.
        changes: Nested values that replace those of every setting.

    Raises:
        ValueError: Something is unknown or not allowed; the message says what there is.
    """
    document = _read_preset(preset) if preset else {}
    rows: dict[str, Any] = document.get("variants") or {Path(s).stem: {"setting": s} for s in settings}
    if not rows:
        raise ValueError("nothing to run: give --preset, or --settings with names of config/settings")
    unknown = [s for s in settings if s not in rows]
    if unknown:
        raise ValueError(f"preset {preset!r} has no variant {unknown[0]!r}: it has {', '.join(rows)}")
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
    """Seeds from `3`, `0,2,5` or `0:5` (0 to 4).

    Raises:
        ValueError: It is none of these, or empty.
    """
    try:
        if ":" in text:
            low, high = (int(part) for part in text.split(":"))
            seeds = tuple(range(low, high))
        else:
            seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"seeds = {text!r}: give 3, 0,2,5 or 0:5 (which is 0 to 4)") from None
    if not seeds or min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds = {text!r}: give each once, none below 0, at least one")
    return seeds


def digest(values: Any) -> str:
    """A short name of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _read_preset(name: str) -> dict[str, Any]:
    path = find_yaml("presets", name)
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("variants"), dict):
        raise ValueError(f"{path}: not a preset: 'variants:' is missing")
    _check_keys(document, _PRESET_KEYS, str(path))
    for variant, row in document["variants"].items():
        _check_keys(row or {}, _VARIANT_KEYS, f"{path}: {variant}")
    _check_keys(document.get("common") or {}, _VARIANT_KEYS, f"{path}: common")
    return document


def _check_keys(values: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ValueError(f"{where}: unknown {unknown[0]!r}, known: {', '.join(known)}")


def _variant(
    name: str, row: Mapping[str, Any], common: Mapping[str, Any], latency: str, changes: Mapping[str, Any]
) -> Variant:
    source = str(row.get("setting", name))
    values = Setting.load(source).to_mapping()
    for part in (common.get("set"), row.get("set"), changes):
        values = _merged(values, part or {})
    setting = from_mapping(Setting, values, f"variant {name}")
    setting_name = Path(source).stem
    robot = str(row.get("robot", "panda_sim"))
    return Variant(
        name=name,
        setting_name=setting_name,
        wiring=str(row.get("wiring", setting_name.partition("_")[0])),
        robot=robot,
        robot_digest=digest(dataclasses.asdict(Robot.load(robot))),
        command_timeout=row.get("command_timeout"),
        group=str(row.get("group", "")),
        x=None if row.get("x") is None else float(row["x"]),
        latency=load_latency(latency or str(row.get("latency", "lab")), setting_name, row.get("latency_set")),
        setting=setting,
    )


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, with the values of the second in place of the first's."""
    merged = dict(values)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
