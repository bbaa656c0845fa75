"""Finds runs that several experiments have in common, which are one piece of evidence and not two."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from franka_reacher_rl.experiments.results import MANIFEST, Results, load, numbers, seeds_in_words


def shared_runs(results: Results) -> list[str]:
    """Return a sentence for each variant whose runs also appear in an experiment in a neighbouring folder.

    Runs are the same if their seeds and all their returns are equal, whether one was copied with `--reuse` or computed
    again.
    """
    sentences = []
    here = results.folder.resolve()
    neighbours = {manifest.parent.resolve() for manifest in here.parent.glob(f"*/{MANIFEST}")} - {here}
    for folder in sorted(neighbours):
        try:
            other = load(folder)
        except ValueError:
            continue  # an unfinished or damaged neighbour does not concern this report
        sentences += _shared(results, other, folder)
    return sentences


def _shared(results: Results, other: Results, folder: Path) -> list[str]:
    sentences = []
    for name in results.variants:
        for theirs in other.variants:
            seeds = sorted(seed for seed, _ in _returns(results, name) & _returns(other, theirs))
            if seeds:
                sentences.append(
                    f"The runs of **{name}** with seeds {seeds_in_words(seeds)} have the same returns, episode by "
                    f"episode, as those of **{theirs}** in `{folder.name}`: both reports show the same evidence."
                )
    return sentences


def _returns(results: Results, variant: str) -> set[tuple[int, bytes]]:
    """Seed and returns of each run of a variant."""
    runs = zip(results.seeds(variant), results.runs(variant), strict=True)
    return {(seed, np.asarray(numbers(run, "coverage_return")).tobytes()) for seed, run in runs}
