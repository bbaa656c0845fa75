"""Results of an experiment: its manifest, and the episodes of all its runs in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas  # type: ignore[import-untyped]

from franka_reacher_rl.core.base.documents import load_json, load_yaml
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.experiments.paper import PaperSetting, paper
from franka_reacher_rl.experiments.run_files import EPISODES, RESULT
from franka_reacher_rl.experiments.spec import MOST_EPISODES, is_name

RESULTS, MANIFEST, RUNS = "results.csv", "manifest.yaml", "runs"
KEYS = ("variant", "group", "x", "wiring", "seed")  # the columns that say which run an episode belongs to
END_SHARE, END_LEAST = 0.1, 20  # a run's end is its last tenth, as in the paper, but at least 20 episodes
_REQUIRED = ("variant", "seed", "episode", "coverage_return", "training_seconds")
_NUMBERS = (*_REQUIRED[1:], "steps", "total_steps", "updates", "late_cycles", "duration", "held_seconds")
_NUMBER_ENDINGS = ("_seconds", "_median", "_p99")
# Floats must read back unchanged, which pandas does by default from version 3 on.
_EXACT: dict[str, Any] = {} if int(pandas.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}

Series = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Results:
    """An experiment's manifest and episodes."""

    folder: Path
    manifest: dict[str, Any]
    episodes: pandas.DataFrame  # a row per episode of each run: KEYS, and the columns of the runs' episodes.csv

    @property
    def variants(self) -> list[str]:
        """The variants that have finished runs, in the manifest's order."""
        finished = set(self.episodes.variant)
        return [name for name in self.manifest["variants"] if name in finished]

    @property
    def beside_paper(self) -> dict[str, PaperSetting]:
        """The paper's results for those variants that are settings of the paper."""
        published = paper() if self.manifest.get("beside_paper") else {}
        return {name: published[name] for name in self.variants if name in published}

    @property
    def codes(self) -> set[str]:
        """Digests of the code that made the runs; empty if only `results.csv` was kept."""
        return {str(result.get("code")) for result in self._run_results()}

    @property
    def realtime(self) -> bool:
        """Whether the ROS graph made the runs, in real time."""
        return bool(self.manifest.get("realtime")) or any(r.get("realtime") for r in self._run_results())

    @property
    def sweep_groups(self) -> dict[str, list[str]]:
        """The variants of a sweep by group, ordered by what is swept (`x` in the preset)."""
        rows = self.manifest["variants"]
        swept = [name for name in self.variants if rows[name].get("x") is not None]
        groups: dict[str, list[str]] = {}
        for name in sorted(swept, key=lambda name: float(rows[name]["x"])):
            groups.setdefault(str(rows[name]["group"]), []).append(name)
        return groups

    def runs(self, variant: str) -> list[pandas.DataFrame]:
        """Return the runs of a variant, ordered by seed."""
        return [run for _, run in self.episodes[self.episodes.variant == variant].groupby("seed")]

    def seeds(self, variant: str) -> list[int]:
        """Return the seeds of a variant's finished runs in ascending order."""
        return sorted({int(seed) for seed in self.episodes[self.episodes.variant == variant].seed})

    def final(self, variant: str) -> list[float]:
        """Return each run's mean return at its end, see `end_length`."""
        return self._each_run(variant, "coverage_return", lambda v: v[-end_length(len(v)) :].mean())

    def whole(self, variant: str) -> list[float]:
        """Return each run's mean return over all its episodes; it is higher the sooner the run learns."""
        return self._each_run(variant, "coverage_return", np.mean)

    def last(self, variant: str, column: str) -> list[float]:
        """Return a column's value in each run's last episode; NaN where it is unknown."""
        return self._each_run(variant, column, lambda v: v[-1])

    def medians(self, variant: str, column: str) -> list[float]:
        """Return a column's median over the known episodes of each run; NaN where all are unknown."""
        return self._each_run(variant, column, _median)

    def share(self, variant: str, part: str, whole: str) -> float:
        """Return the sum of one column over that of another, over all episodes in which both are known; else NaN."""
        rows = self.episodes[self.episodes.variant == variant]
        parts, wholes = numbers(rows, part), numbers(rows, whole)
        known = ~np.isnan(parts) & ~np.isnan(wholes)
        total = wholes[known].sum()
        return float(parts[known].sum() / total) if total > 0.0 else float("nan")

    def curve(self, variant: str, bins: int) -> tuple[Series, Series]:
        """Return learning curves: training time in minutes, (bins,), and each run's mean return, (runs, bins)."""
        episodes = int(self.manifest["episodes"])
        edges = np.linspace(0, episodes, min(bins, episodes) + 1).round().astype(int)
        curves, minutes = [], []
        for run in self.runs(variant):
            returns, seconds = numbers(run, "coverage_return"), numbers(run, "training_seconds")
            curves.append([returns[a:b].mean() for a, b in zip(edges, edges[1:])])
            minutes.append([seconds[b - 1] / 60.0 for b in edges[1:]])
        return np.mean(minutes, axis=0), np.array(curves)

    def _each_run(self, variant: str, column: str, of: Callable[[Series], Any]) -> list[float]:
        return [float(of(numbers(run, column))) for run in self.runs(variant)]

    def _run_results(self) -> list[dict[str, Any]]:
        found = [load_json(path) for path in self.folder.glob(f"{RUNS}/*/*/{RESULT}")]
        return [result for result in found if isinstance(result, dict)]


def numbers(rows: pandas.DataFrame, column: str) -> Series:
    """Return a column as numbers, (rows,): NaN where a value is unknown, all NaN if the table has no such column."""
    return rows[column].to_numpy(float) if column in rows else np.full(len(rows), np.nan)


def _median(values: Series) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Return ascending seeds for a sentence: `0 to 4` if none is missing, otherwise `0, 2, 5`."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def end_length(episodes: int) -> int:
    """Return how many episodes are a run's end: the last tenth, at least 20, but at most a third of the run."""
    return max(round(END_SHARE * episodes), min(END_LEAST, -(-episodes // 3)))


def load(folder: Path) -> Results:
    """Read an experiment's folder: the tables of its runs, or `results.csv` if the runs were not kept.

    Raises:
        ValueError: The folder holds no experiment or no finished run, or a table cannot be used. The message names the
            file and the column.
    """
    manifest = read_manifest(folder)
    episodes = _from_runs(folder, manifest) if (folder / RUNS).is_dir() else _from_table(folder / RESULTS)
    if episodes.empty:
        raise ValueError(f"{folder} has no finished run: run franka-reacher experiment run ... --out {folder}")
    return Results(folder, manifest, episodes)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read an experiment's manifest.

    Raises:
        ValueError: The folder has none, or it is not that of an experiment.
    """
    path = folder / MANIFEST
    if not path.is_file():
        state = "does not exist"
        if folder.exists():
            state = "is empty" if folder.is_dir() and not any(folder.iterdir()) else "holds no experiment"
        raise ValueError(f"{folder} {state}: {MANIFEST} is missing; give the folder of --out")
    manifest = load_yaml(path)
    if not isinstance(manifest, dict) or "variants" not in manifest:
        raise ValueError(f"{path} is not the manifest of an experiment: it has no 'variants'")
    variants = manifest["variants"]
    if not isinstance(variants, dict) or not all(isinstance(variant, dict) for variant in variants.values()):
        raise ValueError(f"{path} is not the manifest of an experiment: 'variants' is not a mapping of mappings")
    if not all(is_name(name) for name in variants):
        raise ValueError(f"{path}: the name of a variant is not allowed: it names a folder")
    if not isinstance(manifest.get("episodes"), int) or not 1 <= manifest["episodes"] <= MOST_EPISODES:
        raise ValueError(f"{path}: 'episodes' is not a number from 1 to {MOST_EPISODES}")
    return manifest


def write_table(results: Results) -> Path:
    """Write `results.csv`. Unknown values are empty; floats read back unchanged."""
    path = results.folder / RESULTS
    write_atomic(path, results.episodes.to_csv(index=False))
    return path


def _from_runs(folder: Path, manifest: dict[str, Any]) -> pandas.DataFrame:
    tables = []
    for name, variant in manifest["variants"].items():
        for run in sorted((folder / RUNS / name).glob("seed*"), key=_seed):
            if not (run / RESULT).exists() or not run.name.removeprefix("seed").isdecimal():
                continue
            episodes = _read(run / EPISODES, _REQUIRED[2:])
            if len(episodes) != manifest["episodes"]:
                raise ValueError(f"{run / EPISODES} has {len(episodes)} episodes, not {manifest['episodes']}")
            keys = {"variant": name, **{k: variant.get(k) for k in ("group", "x", "wiring")}, "seed": _seed(run)}
            tables.append(episodes.assign(**keys)[[*KEYS, *(c for c in episodes if c not in KEYS)]])
    return pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame()


def _seed(run: Path) -> int:
    return int(run.name.removeprefix("seed"))


def _from_table(path: Path) -> pandas.DataFrame:
    return _read(path, _REQUIRED) if path.is_file() else pandas.DataFrame()


def _read(path: Path, required: tuple[str, ...]) -> pandas.DataFrame:
    try:
        table = pandas.read_csv(path, **_EXACT)
    except (OSError, ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path} is not a table of episodes: {error}") from None
    for name in required:
        if name not in table:
            raise ValueError(f"{path} is not a table of episodes: column {name!r} is missing")
    for name in (c for c in table if c in _NUMBERS or c.endswith(_NUMBER_ENDINGS) or c.startswith("learner_")):
        values = pandas.to_numeric(table[name], errors="coerce").to_numpy(float)
        unusable = ~np.isfinite(values) if name in required else np.isnan(values) & table[name].notna().to_numpy()
        if unusable.any():
            row = int(np.flatnonzero(unusable)[0])
            raise ValueError(
                f"{path}: {name} is {table[name].iloc[row]} in row {row + 1}, not a number: "
                "remove that run's folder and run the experiment again"
            )
    return table
