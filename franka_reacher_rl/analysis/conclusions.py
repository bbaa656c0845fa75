"""What the numbers say, in plain words, and no more than they say."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from franka_reacher_rl.analysis.plots import sweep_groups
from franka_reacher_rl.analysis.significance import Difference, compare, estimate
from franka_reacher_rl.experiments.results import Results

_MOST_PAIRS = 4  # variants up to which all pairs are compared


def comparisons(results: Results, measure: Callable[[str], list[float]]) -> list[Difference]:
    """Variants compared in pairs: all of them where they are few, else those of a sweep that share their x.

    Args:
        results: Of the experiment.
        measure: A value for each run of a variant, `results.final` or `results.whole`.
    """
    samples = {name: measure(name) for name in results.variants}
    means = {name: sum(values) / len(values) for name, values in samples.items()}
    pairs = [(a, b) if means[a] >= means[b] else (b, a) for a, b in _pairs(results)]
    return compare(samples, pairs)


def conclusions(results: Results, differences: list[Difference], over_all: list[Difference]) -> list[str]:
    """Sentences, one a point: of the differences at the runs' end, and of those over the whole run."""
    return [
        *(_in_words(d) for d in differences),
        *(_sooner(d) for d in over_all if d.significant),
        *_about_power(results, differences),
        *_about_sweep(results),
        *_beside_paper(results, differences),
    ]


def _pairs(results: Results) -> list[tuple[str, str]]:
    pairs = list(itertools.combinations(results.variants, 2))
    if len(results.variants) <= _MOST_PAIRS:
        return pairs
    x = {name: row.get("x") for name, row in results.manifest["variants"].items()}
    return [(a, b) for a, b in pairs if x[a] is not None and x[a] == x[b]]


def _in_words(d: Difference) -> str:
    size = f"{d.difference.value:+.0f}, 95 % interval {d.difference.low:+.0f} to {d.difference.high:+.0f}"
    if d.significant:
        return (
            f"**{d.a}** ends significantly higher than **{d.b}** ({size}; p = {d.p_holm:.3f} after Holm's correction)."
        )
    separate = d.superior == 1.0 and d.smallest_p < 1.0
    if separate and d.smallest_p * 1.0001 >= d.p:
        return (
            f"Every run of **{d.a}** ends higher than every run of **{d.b}** ({size}), as clear as so few runs can be; "
            f"the test gives p = {d.p:.3f} ({d.p_holm:.3f} after Holm's correction), so it is not called significant."
        )
    return (
        f"**{d.a}** and **{d.b}** do not differ significantly ({size}; p = {d.p_holm:.2f} after Holm's correction; "
        f"{100 * d.superior:.0f} % of pairs of runs favour the first)."
    )


def _sooner(d: Difference) -> str:
    return (
        f"**{d.a}** learns significantly sooner than **{d.b}**: its return over the whole run is higher by "
        f"{d.difference.value:.0f}, 95 % interval {d.difference.low:.0f} to {d.difference.high:.0f} "
        f"(p = {d.p_holm:.3f} after Holm's correction)."
    )


def _about_power(results: Results, differences: list[Difference]) -> list[str]:
    weakest = max((d.smallest_p for d in differences), default=0.0)
    if weakest * max(1, len(differences)) < 0.05:
        return []
    runs = min(len(results.runs(name)) for name in results.variants)
    if runs == 1:
        return ["One run tells nothing of chance: give more seeds."]
    return [
        f"With {runs} runs a variant, an exact test cannot give less than p = {weakest:.3f} for one pair: what is not "
        "called significant here may still be so with more seeds."
    ]


def _about_sweep(results: Results) -> list[str]:
    sentences = []
    for group, names in sweep_groups(results).items():
        if len(names) < 2:
            continue
        ends = {name: estimate(results.final(name)) for name in names}
        best = max(names, key=lambda name: ends[name].value)
        rows, label = results.manifest["variants"], results.manifest.get("x_label") or "x"
        rivals = [f"{rows[n]['x']:g}" for n in names if n != best and ends[n].high > ends[best].low]
        also = f"; the interval of {', '.join(rivals)} overlaps" if rivals else "; no other interval overlaps"
        sentences.append(f"{group}: highest at {label} {rows[best]['x']:g} with {ends[best]}{also}.")
    return sentences


def _beside_paper(results: Results, differences: list[Difference]) -> list[str]:
    """Which of the paper's orderings are found here, for settings that it has."""
    if not all(name in results.beside_paper for name in results.variants):
        return []
    there = results.beside_paper
    sentences = []
    for d in differences:
        a, b = there[d.a], there[d.b]
        apart = abs(a.final - b.final) > (a.final_ci**2 + b.final_ci**2) ** 0.5
        same = a.final > b.final
        if not apart:
            verdict = "which the paper leaves open"
        elif not d.significant:
            verdict = "so the paper's difference is neither confirmed nor refuted"
        else:
            verdict = "as in the paper" if same else "the opposite of the paper"
        sign = "higher" if d.significant else "higher but not significantly so"
        ratio = f"{d.a} {a.final:.0f} against {b.final:.0f} there"
        sentences.append(f"Beside the paper: {d.a} is {sign} than {d.b} here, {verdict} ({ratio}).")
    return sentences
