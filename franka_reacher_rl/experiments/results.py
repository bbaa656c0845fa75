"""Results of an experiment as one tidy table: a row per episode of each run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped]
import yaml

from franka_reacher_rl.core.task.summary import COLUMNS
from franka_reacher_rl.experiments.paper import PaperSetting, paper
from franka_reacher_rl.experiments.run_files import EPISODES

RESULTS, MANIFEST = "results.csv", "manifest.yaml"
KEYS = ("variant", "group", "x", "wiring", "seed")
END_SHARE, END_LEAST = 0.1, 20  # a run's end: its last tenth, as in the paper, but no fewer episodes than this


@dataclass(frozen=True)
class Results:
    """An experiment's manifest and table."""

    folder: Path
    manifest: dict[str, Any]
    table: pandas.DataFrame  # KEYS and COLUMNS

    @property
    def variants(self) -> list[str]:
        """Those with results, in the manifest's order."""
        there = set(self.table.variant)
        return [name for name in self.manifest["variants"] if name in there]

    @property
    def beside_paper(self) -> dict[str, PaperSetting]:
        """The paper's results for variants that are its settings."""
        there = paper() if self.manifest.get("beside_paper") else {}
        return {name: there[name] for name in self.variants if name in there}

    @property
    def codes(self) -> set[str]:
        """Digests of the code that made the runs, as far as the runs themselves are kept."""
        found = [json.loads(path.read_text()) for path in self.folder.glob("runs/*/*/result.json")]
        return {str(result.get("code")) for result in found}

    def runs(self, variant: str) -> list[pandas.DataFrame]:
        """The runs of a variant, by seed."""
        rows = self.table[self.table.variant == variant]
        return [run for _, run in rows.groupby("seed")]

    def final(self, variant: str, column: str = "coverage_return") -> list[float]:
        """Each run's mean over its end."""
        return [float(run[column].iloc[-end_length(len(run)) :].mean()) for run in self.runs(variant)]

    def whole(self, variant: str) -> list[float]:
        """Each run's mean return over all its episodes: the sooner it learns, the higher."""
        return [float(run.coverage_return.mean()) for run in self.runs(variant)]

    def last(self, variant: str, column: str) -> list[float]:
        """Each run's value at its end."""
        return [float(run[column].iloc[-1]) for run in self.runs(variant)]

    def medians(self, variant: str, column: str) -> list[float]:
        """Each run's median over its episodes."""
        return [float(run[column].median()) for run in self.runs(variant)]

    def curve(self, variant: str, bins: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Learning curves: training minutes (bins,), and each run's mean return (runs, bins)."""
        episodes = int(self.manifest["episodes"])
        edges = np.linspace(0, episodes, min(bins, episodes) + 1).round().astype(int)
        curves, minutes = [], []
        for run in self.runs(variant):
            returns, seconds = run.coverage_return.to_numpy(float), run.training_seconds.to_numpy(float)
            curves.append([returns[a:b].mean() for a, b in zip(edges, edges[1:])])
            minutes.append([seconds[b - 1] / 60.0 for b in edges[1:]])
        return np.mean(minutes, axis=0), np.array(curves)


def end_length(episodes: int) -> int:
    """How many episodes count as a run's end: its last tenth, at least 20, but never more than a third."""
    return max(round(END_SHARE * episodes), min(END_LEAST, -(-episodes // 3)))


def load(folder: Path) -> Results:
    """Reads an experiment's folder: its runs, or where they are not kept its `results.csv`.

    Raises:
        ValueError: There is no experiment, no finished run, or something in a table makes no sense.
    """
    manifest = read_manifest(folder)
    table = _from_runs(folder, manifest) if (folder / "runs").is_dir() else _from_table(folder / RESULTS)
    if table.empty:
        raise ValueError(f"{folder} has no finished run yet: franka-reacher experiment run ... --out {folder}")
    return Results(folder, manifest, table)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The experiment's manifest.

    Raises:
        ValueError: There is none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        what = "is empty" if folder.is_dir() and not any(folder.iterdir()) else "holds no experiment"
        raise ValueError(f"{folder} {what if folder.exists() else 'is not there'}: {MANIFEST} is missing")
    manifest = yaml.safe_load(path.read_text())
    if not isinstance(manifest, dict) or "variants" not in manifest:
        raise ValueError(f"{path} is not an experiment's")
    return manifest


def write_table(results: Results) -> Path:
    """Writes `results.csv`, floats to six digits; the runs' own tables keep all."""
    path = results.folder / RESULTS
    results.table.to_csv(path, index=False, float_format="%.6g")
    return path


def _from_runs(folder: Path, manifest: dict[str, Any]) -> pandas.DataFrame:
    tables = []
    for name, variant in manifest["variants"].items():
        for run in sorted((folder / "runs" / name).glob("seed*"), key=lambda p: int(p.name.removeprefix("seed"))):
            if not (run / "result.json").exists():
                continue
            rows = _read(run / EPISODES, COLUMNS)
            if len(rows) != manifest["episodes"]:
                raise ValueError(f"{run / EPISODES} has {len(rows)} episodes, not {manifest['episodes']}")
            keys = {k: variant.get(k) for k in ("group", "x", "wiring")}
            rows = rows.assign(variant=name, seed=int(run.name.removeprefix("seed")), **keys)
            tables.append(rows[[*KEYS, *COLUMNS]])
    return pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame()


def _from_table(path: Path) -> pandas.DataFrame:
    if not path.is_file():
        return pandas.DataFrame()
    return _read(path, (*KEYS, *COLUMNS))


def _read(path: Path, columns: tuple[str, ...]) -> pandas.DataFrame:
    try:
        table = pandas.read_csv(path)
    except (OSError, pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a table of episodes: {error}") from None
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{path} is not a table of episodes: column {missing[0]!r} is missing")
    for name in ("episode_return", "coverage_return", "training_seconds", "updates"):
        values = pandas.to_numeric(table[name], errors="coerce")
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(
                f"{path}: {name} in row {row + 1} is {table[name].iloc[row]}: remove that run and run it again"
            )
    return table
